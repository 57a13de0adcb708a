/** `enable` and `disable`, which each noun has that requests can be kept from. */
import { type DescMessage, type MessageShape, toJson } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import { addCommand, type Call } from './command.ts';
import type { CommandHost } from './host.ts';

export interface Switched<Desc extends DescMessage> {
  /** Its argument, such as `<pool>`. */
  readonly argument: string;
  /** An argument for its example. */
  readonly example: string;
  /** What its commands do. */
  readonly help: { readonly enable: string; readonly disable: string };
  readonly schema: Desc;
  /** Does it; answers what it is since. */
  readonly change: (call: Call, enabled: boolean) => Promise<MessageShape<Desc>>;
  readonly nameOf: (message: MessageShape<Desc>) => string;
}

/** Adds both; answers them, for flags of their own. */
export function addSwitches<Desc extends DescMessage>(
  noun: Command,
  host: CommandHost,
  { argument, example, help, schema, change, nameOf }: Switched<Desc>,
): Command[] {
  return (['enable', 'disable'] as const).map((verb) => {
    const text = { help: help[verb], example: `${noun.name()} ${verb} ${example}` };
    return addCommand(noun, `${verb} ${argument}`, text, host, async (call) => {
      const after = await change(call, verb === 'enable');
      call.out.say(`${noun.name()} ${nameOf(after)} is ${verb}d`);
      call.out.tell(toJson(schema, after));
    });
  });
}
