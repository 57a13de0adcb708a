/**
 * Calls across a thread boundary: each side offers methods and calls the
 * other's, in order, over one message port. `app.ts` holds one end (the gateway's
 * thread), `control/worker.ts` the other.
 *
 *   call ── {id, method, argument} ──▶ handler ── {id, result | failure} ──▶ resolves
 *
 * Messages of one side arrive in the order they were sent; that is what keeps
 * changes in commit order.
 */
/** What a Worker and a parentPort have in common. */
interface Port {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (message: CallMessage | ReplyMessage) => void): unknown;
}

/** Methods that one side offers: one argument in, one result out, both structured-cloneable. */
export type Methods = Readonly<Record<string, (argument: never) => unknown>>;
type ArgumentOf<Method> = Method extends (argument: infer Argument) => unknown ? Argument : never;

interface CallMessage {
  readonly kind: 'call';
  readonly id: number;
  readonly method: string;
  readonly argument: unknown;
}

interface ReplyMessage {
  readonly kind: 'reply';
  readonly id: number;
  readonly result?: unknown;
  readonly failure?: { readonly message: string; readonly details: object };
}

export interface Link<Theirs extends Methods> {
  call<Name extends keyof Theirs & string>(
    method: Name,
    argument: ArgumentOf<Theirs[Name]>,
  ): Promise<Awaited<ReturnType<Theirs[Name]>>>;
  /** Rejects every call that is under way and every later one: the other thread is gone. */
  sever(error: Error): void;
}

/** Opens this thread's end. A thrown error arrives as an Error of the same message and own fields (such as `code`). */
export function openLink<Theirs extends Methods>(port: Port, ours: Methods): Link<Theirs> {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let lastId = 0;
  let severed: Error | null = null;

  async function answer({ id, method, argument }: CallMessage): Promise<void> {
    const handler = ours[method] as ((argument: unknown) => unknown) | undefined;
    let reply: ReplyMessage;
    try {
      if (handler === undefined) throw new Error(`the other thread offers no method ${method}`);
      const result = handler(argument);
      // A handler that answers at once is answered at once: one turn less for each change.
      reply = { kind: 'reply', id, result: result instanceof Promise ? await result : result };
    } catch (error) {
      const { message } = error instanceof Error ? error : new Error('something that is no error was thrown');
      reply = { kind: 'reply', id, failure: { message, details: { ...(error as object) } } };
    }
    port.postMessage(reply);
  }

  port.on('message', (message) => {
    if (message.kind === 'call') return void answer(message);
    const call = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.failure === undefined) call?.resolve(message.result);
    else call?.reject(Object.assign(new Error(message.failure.message), message.failure.details));
  });

  return {
    call(method, argument) {
      if (severed !== null) return Promise.reject(severed);
      const call = Promise.withResolvers<unknown>();
      waiting.set(++lastId, call);
      port.postMessage({ kind: 'call', id: lastId, method, argument } satisfies CallMessage);
      return call.promise as never;
    },
    sever(error) {
      severed ??= error;
      for (const call of waiting.values()) call.reject(severed);
      waiting.clear();
    },
  };
}
