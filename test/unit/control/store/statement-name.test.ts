import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { createPlaneMetrics } from '../../../../control/metrics/registry.ts';
import { openStore } from '../../../../control/store/database.ts';
import { statementName } from '../../../../control/store/statement-name.ts';
import { insertWorkspace } from '../../../../control/store/workspaces.ts';
import { emptySnapshot } from '../../../helpers/control-rig.ts';
import { tempDir, workspaceRecord } from '../../../helpers/store-rig.ts';

test.each([
  ['select "id" from "sessions" where "pool_id" = (select id from "pools" where id = ?)', 'select sessions'],
  ['  select s.* from json_each(?) t cross join sessions s on s.token = t.value', 'select sessions'],
  ['insert into "audit_events" ("at") values (?)', 'insert audit_events'],
  ['insert into usage (a) select value from json_each(?) where true on conflict do update set a = 1', 'insert usage'],
  ['update "pools" set "name" = ? where "id" = ?', 'update pools'],
  ['delete from "workspace_keys" where "workspace_id" = ?', 'delete workspace_keys'],
  ['select value from json_each(?)', 'select'],
  ['begin immediate', 'begin'],
  ['savepoint member', 'savepoint'],
  ['pragma user_version', 'pragma'],
])('%s is a "%s"', (text, name) => {
  expect(statementName(text)).toBe(name);
});

test('every execution is on the metrics page, with its rows; names beyond the bound share one', async () => {
  const metrics = createPlaneMetrics('0.0.0', async () => emptySnapshot());
  const store = await openStore({ path: `${tempDir()}/a.db`, onStatement: metrics.watchStatement });
  onTestFinished(() => store.close());
  for (let n = 0; n < 3; n++) await store.write((tx) => insertWorkspace(tx, workspaceRecord()));
  await store.db.selectFrom('workspaces').selectAll().execute();
  await sql`select 1`.execute(store.db);
  for (let n = 0; n < 100; n++) metrics.watchStatement(`select a from made_up_${n}`)(0.001, 1);
  const { text } = await metrics.render();
  expect(text).toContain('sallyport_store_statement_seconds_count{statement="insert workspaces"} 3');
  expect(text).toContain('sallyport_store_rows_total{statement="insert workspaces"} 3');
  expect(text).toContain('sallyport_store_statement_seconds_count{statement="select workspaces"} 1');
  expect(text).toContain('sallyport_store_rows_total{statement="select workspaces"} 3');
  const named = new Set(text.match(/^sallyport_store_rows_total\{statement="[^"]*"/gm));
  expect(named.size).toBe(65);
  const other = Number(/sallyport_store_rows_total\{statement="other"\} (\d+)/.exec(text)?.[1]);
  expect(other).toBeGreaterThan(35);
});
