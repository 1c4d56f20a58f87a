/**
 * Run one host in this process: from its config to its end. SIGINT and SIGTERM stop it cleanly; a second one ends it at once, which
 * for a primary is an unclean stop. A peer that takes its secondary's place goes on in the same process, on the same control socket.
 */
import { FarshoreError, RefusedError, type ErrorCode } from '../model/errors.ts';
import type { HostEnd } from '../model/host-end.ts';
import type { StatusReport } from '../model/status.ts';
import { EventLoopWatch } from '../status/event-loop-watch.ts';
import { HostServer, type HostCommands } from '../status/host-server.ts';
import type { Log } from '../status/log.ts';
import type { HostConfig } from './config/host-config.ts';
import { startService, type Service, type ServiceOptions } from './start-service.ts';

/** Start the host, say where it listens, and return when it was stopped. @throws the refusal or failure that ended it */
export async function runHost(config: HostConfig, options: ServiceOptions): Promise<void> {
  const run = await HostRun.start(config, options);
  const unlisten = onSignals(() => run.stopSoon(), options.log);
  try {
    await run.toTheEnd();
  } finally {
    unlisten();
  }
}

class HostRun {
  readonly #config: HostConfig;
  readonly #options: ServiceOptions;
  #service: Service;
  /** Shown while no host runs, between one and the next. */
  #between: StatusReport | null = null;
  #replacing: Promise<void> | null = null;
  /** Null: it was told to stop. */
  readonly #outcome: Promise<HostEnd | null>;
  #end: (end: HostEnd | null) => void = () => {};
  #fail: (error: unknown) => void = () => {};
  readonly #server: HostServer;
  readonly #eventLoop = EventLoopWatch.start();

  static async start(config: HostConfig, options: ServiceOptions): Promise<HostRun> {
    const later: { run: HostRun | null } = { run: null };
    const service = await startService(config, options, (reason, work) => (later.run as HostRun).whileStopped(reason, work));
    later.run = new HostRun(config, options, service);
    return later.run;
  }

  private constructor(config: HostConfig, options: ServiceOptions, service: Service) {
    this.#config = config;
    this.#options = options;
    this.#service = service;
    this.#outcome = new Promise((resolve, reject) => {
      this.#end = resolve;
      this.#fail = reject;
    });
    const commands = (): HostCommands => ({ ...this.#service.commands, stop: async () => this.stopSoon() });
    this.#server = new HostServer({
      status: () => ({
        ...(this.#between ?? this.#service.host.status()),
        eventLoop: this.#eventLoop.report(),
        statusPage: { addresses: this.#server.addresses() },
      }),
      // Asked for with every command: the next host has others.
      get commands(): HostCommands {
        return commands();
      },
      controlSocket: service.host.controlSocket,
      listen: config.status.listen,
    });
  }

  stopSoon(): void {
    setImmediate(() => this.#end(null));
  }

  async toTheEnd(): Promise<void> {
    const { log } = this.#options;
    try {
      await this.#server.start();
      this.#adopt();
      const end = await this.#outcome;
      log.write('info', end === null ? 'stopping' : `ending: ${end.message}`);
      await this.#replacing;
      await this.#service.host.stop();
      if (end !== null)
        throw new FarshoreError(end.code as ErrorCode, end.message, {
          exitCode: end.exitCode as 5,
          ...(end.hint === undefined ? {} : { hint: end.hint }),
        });
      log.write('info', 'stopped');
    } finally {
      this.#server.stop();
      await this.#service.host.stop();
    }
  }

  async whileStopped<T>(reason: string, work: () => Promise<T>): Promise<T> {
    if (this.#replacing !== null)
      throw new RefusedError('ERR_HOST_BUSY', `this host is busy: ${this.#between?.reason ?? 'it is starting again'}`);
    const { host } = this.#service;
    this.#between = { ...host.status(), state: 'starting', reason };
    const result = host.stop().then(work);
    const replaced = result.then(
      () => this.#startNext(),
      () => this.#startNext(),
    );
    this.#replacing = replaced;
    await replaced;
    return result;
  }

  /** Also after a refusal: the durable state says who goes on. */
  async #startNext(): Promise<void> {
    try {
      this.#service = await startService(this.#config, this.#options, (reason, work) => this.whileStopped(reason, work));
      this.#between = null;
      this.#replacing = null;
      this.#adopt();
    } catch (error) {
      // Whoever gave the command is answered first.
      setImmediate(() => this.#fail(error));
    }
  }

  #adopt(): void {
    const report = this.#service.host.status();
    this.#options.log.write('info', `farshore ${report.role} of group ${report.group} runs`, {
      pid: process.pid,
      role: report.role,
      nbd: report.nbd?.addresses,
      replication: report.replication?.addresses,
      status: this.#server.addresses(),
    });
    void this.#endWith(this.#service);
  }

  async #endWith(service: Service): Promise<void> {
    const end = await service.host.ended;
    if (this.#service === service && this.#replacing === null) this.#end(end);
  }
}

function onSignals(stop: () => void, log: Log): () => void {
  let asked = 0;
  const handler = (signal: NodeJS.Signals): void => {
    asked += 1;
    if (asked > 1) process.exit(1);
    log.write('info', `${signal}: stopping; a second signal ends at once`);
    stop();
  };
  process.on('SIGINT', handler);
  process.on('SIGTERM', handler);
  return () => {
    process.off('SIGINT', handler);
    process.off('SIGTERM', handler);
  };
}
