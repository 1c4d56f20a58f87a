/**
 * The HTTP face of a running host: status page, /api/status, /metrics, /healthz and /readyz on the status addresses, and the same plus
 * the commands on the control socket, which only this host's user can reach (mode 0600).
 */
import { chmodSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatAddress, type ListenAddress } from '../model/addresses.ts';
import { BrokenInvariant } from '../model/assert.ts';
import { FarshoreError, messageOf } from '../model/errors.ts';
import type { StatusReport } from '../model/status.ts';
import { listenOn } from '../runtime/listen.ts';
import { throwLater } from '../runtime/throw-later.ts';
import { renderMetrics } from './metrics.ts';
import { STATUS_PAGE } from './page.ts';

/** Commands that the control socket takes: a JSON body in, a JSON value out. */
export type HostCommands = Readonly<Record<string, (body: Readonly<Record<string, unknown>>) => Promise<unknown>>>;

export interface HostServerOptions {
  readonly status: () => StatusReport;
  readonly commands: HostCommands;
  readonly controlSocket: string;
  readonly listen: readonly ListenAddress[];
}

const BODY_BYTES_MAX = 64 * 1024;
/** States in which a host does what it is there for. */
const READY: ReadonlySet<string> = new Set(['replicating', 'throttled', 'degraded', 'promoted', 'standalone']);

export class HostServer {
  readonly #options: HostServerOptions;
  readonly #servers: Server[] = [];

  constructor(options: HostServerOptions) {
    this.#options = options;
  }

  /** Listen on the control socket and the status addresses. @throws FarshoreError ERR_LISTEN */
  async start(): Promise<void> {
    const { controlSocket, listen } = this.#options;
    await this.#listen({ kind: 'unix', path: controlSocket }, true);
    chmodSync(controlSocket, 0o600);
    for (const address of listen) await this.#listen(address, false);
  }

  /** Status addresses, with the port that the kernel gave. */
  addresses(): string[] {
    return this.#servers.slice(1).map((server) => {
      const bound = server.address() as AddressInfo | string;
      return typeof bound === 'string' ? `unix:${bound}` : formatAddress({ kind: 'tcp', host: bound.address, port: bound.port });
    });
  }

  /** Listen no more; sockets that this server made go with it, and no others. */
  stop(): void {
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
  }

  async #listen(address: ListenAddress, control: boolean): Promise<void> {
    const server = createServer((request, response) => void this.#answer(request, response, control));
    server.keepAliveTimeout = 1_000;
    const what = control ? 'commands' : 'status';
    await listenOn(server, address, { what, setting: control ? 'state' : 'status.listen', code: 'ERR_LISTEN' });
    server.on('error', () => {});
    this.#servers.push(server);
  }

  async #answer(request: IncomingMessage, response: ServerResponse, control: boolean): Promise<void> {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    try {
      if (request.method === 'POST' && control && path.startsWith('/api/'))
        await this.#command(path.slice('/api/'.length), request, response);
      else if (request.method === 'GET') await this.#get(path, response);
      else send(response, 405, 'text/plain', 'only GET here\n');
    } catch (error) {
      if (error instanceof BrokenInvariant) {
        throwLater(error);
        return;
      }
      const code = error instanceof FarshoreError ? error.code : 'ERR_UNEXPECTED';
      const known = error instanceof FarshoreError ? { exitCode: error.exitCode, hint: error.hint, details: error.facts } : {};
      send(response, 409, 'application/json', JSON.stringify({ error: { code, message: messageOf(error), ...known } }));
    }
  }

  async #get(path: string, response: ServerResponse): Promise<void> {
    const report = this.#options.status();
    if (path === '/') send(response, 200, 'text/html; charset=utf-8', STATUS_PAGE);
    else if (path === '/api/status') send(response, 200, 'application/json', JSON.stringify(report));
    else if (path === '/metrics') send(response, 200, 'text/plain; version=0.0.4; charset=utf-8', await renderMetrics(report));
    else if (path === '/healthz') send(response, report.state === 'failed' ? 503 : 200, 'text/plain', `${report.state}\n`);
    else if (path === '/readyz')
      send(
        response,
        READY.has(report.state) ? 200 : 503,
        'text/plain',
        `${report.state}${report.reason === null ? '' : `: ${report.reason}`}\n`,
      );
    else send(response, 404, 'text/plain', 'not here; there are /, /api/status, /metrics, /healthz and /readyz\n');
  }

  async #command(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const command = this.#options.commands[name];
    if (command === undefined) {
      send(
        response,
        404,
        'application/json',
        JSON.stringify({ error: { code: 'ERR_NOT_AVAILABLE', message: `this host has no command "${name}"` } }),
      );
      return;
    }
    const result = await command(await readBody(request));
    send(response, 200, 'application/json', JSON.stringify(result ?? {}));
  }
}

async function readBody(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > BODY_BYTES_MAX) throw new FarshoreError('ERR_CONTROL_BODY', `a command is at most ${BODY_BYTES_MAX} bytes long`);
    pieces.push(piece);
  }
  if (bytes === 0) return {};
  return JSON.parse(Buffer.concat(pieces).toString('utf8')) as Readonly<Record<string, unknown>>;
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}
