/** The queries that `deploy/` ships: those of the dashboard's panels, and those of the alert rules. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

export const DEPLOY = join(import.meta.dirname, '../../deploy');

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
}

export interface Dashboard {
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
}

export interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export function readDashboard(): Dashboard {
  return JSON.parse(readFileSync(join(DEPLOY, 'grafana/dashboard.json'), 'utf8')) as Dashboard;
}

export function readRules(): readonly Rule[] {
  const { groups } = parse(readFileSync(join(DEPLOY, 'prometheus/alerts.yml'), 'utf8')) as {
    groups: { rules: Rule[] }[];
  };
  return groups.flatMap(({ rules }) => rules);
}

/** Every query of the dashboard as Grafana would send it with all pools and instances chosen, by the panel's id and title. */
export function panelQueries(interval: string): { panel: string; query: string }[] {
  const filled = (expr: string) =>
    expr.replaceAll('$__rate_interval', interval).replaceAll(/\$(instance|pool)\b/g, '.*');
  return readDashboard().panels.flatMap(({ id, title, targets = [] }) =>
    targets.map(({ expr }) => ({ panel: `${id} ${title}`, query: filled(expr) })),
  );
}
