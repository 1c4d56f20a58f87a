/** Talk to a running host: over its control socket, or over the URL of its status page. */
import { request } from 'node:http';
import { existsSync } from 'node:fs';
import { EXIT, FarshoreError, messageOf, type ErrorCode, type ExitCode } from '../model/errors.ts';
import type { StatusReport } from '../model/status.ts';

export type HostTarget = { readonly kind: 'socket'; readonly path: string } | { readonly kind: 'url'; readonly url: string };

interface ErrorBody {
  readonly error?: {
    readonly code?: string;
    readonly message?: string;
    readonly exitCode?: number;
    readonly hint?: string;
    readonly details?: Record<string, unknown>;
  };
}

/** A promotion destages and discards before it answers; a takeover fences, waits and reads a whole region. */
const ANSWER_MS = 420_000;

/** Ask a host for its status. @throws FarshoreError ERR_UNREACHABLE (exit 3) */
export async function askStatus(target: HostTarget): Promise<StatusReport> {
  return (await ask(target, { method: 'GET', path: '/api/status' })) as StatusReport;
}

/** Give a running host a command. @throws FarshoreError ERR_UNREACHABLE, or what the host answered */
export function giveCommand(target: HostTarget, name: string, body: Readonly<Record<string, unknown>>): Promise<unknown> {
  return ask(target, { method: 'POST', path: `/api/${name}`, body: JSON.stringify(body) });
}

/** Whether a host answers on this socket. */
export async function isRunning(controlSocket: string): Promise<boolean> {
  if (!existsSync(controlSocket)) return false;
  return askStatus({ kind: 'socket', path: controlSocket }).then(
    () => true,
    () => false,
  );
}

function ask(target: HostTarget, what: { method: string; path: string; body?: string }): Promise<unknown> {
  const place = target.kind === 'socket' ? target.path : target.url;
  const options = target.kind === 'socket' ? { socketPath: target.path, path: what.path } : urlOptions(target.url, what.path);
  return new Promise((resolve, reject) => {
    const sent = request(
      { ...options, method: what.method, timeout: ANSWER_MS, headers: { 'content-type': 'application/json', connection: 'close' } },
      (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', (error) => reject(unreachable(place, error)));
        response.on('end', () => {
          try {
            const value = JSON.parse(Buffer.concat(pieces).toString('utf8')) as ErrorBody;
            if (response.statusCode === 200) resolve(value);
            else reject(answered(value, place));
          } catch (error) {
            reject(unreachable(place, error));
          }
        });
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`no answer for ${ANSWER_MS / 1000} s`)));
    sent.on('error', (error) => reject(unreachable(place, error)));
    sent.end(what.body);
  });
}

function urlOptions(url: string, path: string): { hostname: string; port: string; path: string } {
  const parsed = new URL(url.includes('://') ? url : `http://${url}`);
  return { hostname: parsed.hostname.replace(/^\[|\]$/g, ''), port: parsed.port, path };
}

function answered(body: ErrorBody, place: string): FarshoreError {
  const { code, message, exitCode, hint, details } = body.error ?? {};
  return new FarshoreError((code ?? 'ERR_UNEXPECTED') as ErrorCode, message ?? `${place} answered with an error`, {
    exitCode: (exitCode ?? EXIT.failed) as ExitCode,
    ...(hint === undefined ? {} : { hint }),
    ...(details === undefined ? {} : { details }),
  });
}

function unreachable(place: string, error: unknown): FarshoreError {
  return new FarshoreError('ERR_UNREACHABLE', `no host answers at ${place}: ${messageOf(error)}`, {
    exitCode: EXIT.unreachable,
    cause: error,
    hint: 'is it started? "farshore start -c FILE" runs a host in the foreground',
  });
}
