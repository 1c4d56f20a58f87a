/**
 * The log: one line per event of a host's life, to stderr, never one per command. Winston takes 5-7 us for a line whose level is
 * off, so paths that run per batch ask `log.debugOn` first. Winston is loaded when the first log is opened.
 */
import type { Logger } from 'winston';

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export const LOG_FORMATS = ['json', 'text'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  /** Whether a debug line would be written: ask before building one where it runs often. */
  readonly debugOn: boolean;
  /** Write one line; needs no `this`. */
  readonly write: (level: LogLevel, message: string, fields?: LogFields) => void;
  /** Settle when every line has been handed to stderr; the log takes no more lines. */
  end(): Promise<void>;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Stand in every line: role, group ... */
  readonly fields?: LogFields;
  /** Instead of stderr. */
  readonly stream?: NodeJS.WritableStream;
}

/** How long an end may take before the process goes without it. */
const END_MS = 1000;
const openLogs = new Set<Log>();

/** Open a log. */
export async function openLog(options: LogOptions): Promise<Log> {
  const { createLogger, format, transports } = await import('winston');
  const line = options.format === 'json' ? jsonLine : textLine;
  const logger = createLogger({
    level: options.level,
    format: format.printf(({ level, message, ...fields }) => line({ level, message: String(message), fields, time: new Date() })),
    transports: [new transports.Stream({ stream: options.stream ?? process.stderr, eol: '\n' })],
  });
  let ended: Promise<void> | null = null;
  const log: Log = {
    debugOn: options.level === 'debug',
    write: (level, message, fields) => {
      if (ended === null) logger.log(level, message, { ...options.fields, ...fields });
    },
    end: () => {
      ended ??= endLogger(logger).finally(() => openLogs.delete(log));
      return ended;
    },
  };
  openLogs.add(log);
  return log;
}

/** A log that writes nothing, for tests and short commands. */
export const SILENT_LOG: Log = { debugOn: false, write: () => {}, end: () => Promise.resolve() };

/** End every open log: call it before `process.exit`, which would lose lines. */
export async function endLogs(): Promise<void> {
  await Promise.all([...openLogs].map((log) => log.end()));
}

function endLogger(logger: Logger): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, END_MS);
    logger.once('finish', () => {
      clearTimeout(late);
      resolve();
    });
    logger.end();
  });
}

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly time: Date;
}

function jsonLine({ level, message, fields, time }: Line): string {
  return JSON.stringify({ time: time.toISOString(), level, message, ...fields }, plainValue);
}

function textLine({ level, message, fields, time }: Line): string {
  const shown = Object.entries(fields).map(
    ([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value, plainValue)}`,
  );
  return `${time.toISOString().slice(11, 23)} ${level.padEnd(5)} ${message}${shown.join('')}`;
}

/** JSON has no bigint, and loses what an Error says. */
function plainValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Error)
    return {
      ...Object.fromEntries(Object.entries(value)),
      name: value.name,
      message: value.message,
      cause: value.cause,
      stack: value.stack,
    };
  return value;
}
