/** A small client of QEMU's monitor protocol: commands, answers and events, one JSON object a line. */
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { BenchError } from '../support/bench-error.ts';
import { connected, until } from '../support/waits.ts';

interface Message {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
  readonly event?: string;
  readonly data?: unknown;
}

export class Qmp {
  readonly #socket: Socket;
  readonly #events: Message[] = [];
  readonly #waiting: ((message: Message) => void)[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.once('close', () => {
      for (const answer of this.#waiting.splice(0)) answer({ error: { desc: 'the monitor was closed' } });
    });
    createInterface({ input: socket }).on('line', (line) => {
      const message = JSON.parse(line) as Message;
      if (message.event !== undefined) this.#events.push(message);
      else if ('return' in message || message.error !== undefined) this.#waiting.shift()?.(message);
    });
  }

  /** Connect to a monitor and leave negotiation mode. @throws BenchError */
  static async open(path: string): Promise<Qmp> {
    const qmp = new Qmp(await connected(path));
    await qmp.execute('qmp_capabilities');
    return qmp;
  }

  /** @throws BenchError with what QEMU said */
  async execute(command: string, options: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const answer = new Promise<Message>((resolve) => void this.#waiting.push(resolve));
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: options })}\n`);
    const { error, return: value } = await answer;
    if (error !== undefined) throw new BenchError(`QEMU refused ${command}: ${error.desc}`);
    return value;
  }

  /** Wait for an event by its name. @throws BenchError when it does not come */
  async event(name: string, limitMs: number): Promise<unknown> {
    await until(`QEMU's ${name}`, limitMs, () => this.#events.some(({ event }) => event === name));
    return this.#events.find(({ event }) => event === name)?.data;
  }

  close(): void {
    this.#socket.destroy();
  }
}
