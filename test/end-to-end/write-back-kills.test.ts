/**
 * Write-back under load, and one thing fails after the other: the secondary is killed, or loses its power, the peer is killed, or comes
 * back with an empty region, the links between both are cut or clog. Whatever failed alone, nothing acknowledged is lost: the primary would
 * refuse to go on, and the volumes would differ. FARSHORE_LONG=1: more rounds; FARSHORE_SEED: others.
 *
 * @timeLimit 900 s
 * @invariant I1 I2 I3
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../../src/simulation/random.ts';
import { cutJournals, readTrace } from '../support/cut-journals.ts';
import { harassed } from '../support/harassed-host.ts';
import { sleep, spawnTracked } from '../support/host-process.ts';
import { LinkProxy } from '../support/link-proxy.ts';
import { withPeeredHosts, type PeeredHosts, type PeeredHostsOptions } from '../support/peered-hosts.ts';
import { losePower } from '../support/power-disk.ts';
import { StampedWorkload } from '../support/stamped-workload.ts';
import { hasTool } from '../support/tools.ts';
import { fioArguments } from '../support/workload.ts';

const LONG = process.env['FARSHORE_LONG'] === '1';
const ROUNDS = LONG ? 60 : 10;
const SEED = Number(process.env['FARSHORE_SEED'] ?? 20260701);
const SCENE: PeeredHostsOptions = {
  volumes: [
    { name: 'db1', sizeMiB: 16 },
    { name: 'log', sizeMiB: 8, vlun: 5 },
  ],
  links: 2,
  slots: 6,
  slotMiB: 2,
  regionMiB: 8,
  dataSets: { minAge: '5ms', maxSize: '1MiB' },
};
/** So that there is always something that only the peer holds. */
const COMMIT_DELAY_MS = 5;

/** A group under load, and what its failures need. */
class Ordeal {
  readonly hosts: PeeredHosts;
  readonly random: Random;
  readonly proxy: LinkProxy;
  readonly workload: StampedWorkload;
  readonly notes: string;
  readonly trace: string;
  readonly tally: Record<string, number> = {};
  #program: readonly string[];

  constructor(hosts: PeeredHosts, proxy: LinkProxy, seed: number) {
    this.hosts = hosts;
    this.proxy = proxy;
    this.random = new Random(seed);
    this.notes = join(hosts.folder, 'notes');
    this.trace = join(hosts.folder, 'trace');
    this.#program = harassed({ commitDelayMs: COMMIT_DELAY_MS, notes: this.notes });
    this.workload = new StampedWorkload({
      host: hosts.primary,
      seed,
      connections: 2,
      depth: 4,
      flushEvery: 9,
      fuaShare: 0.02,
      zeroShare: 0.03,
    });
  }

  get journals(): string {
    return join(this.hosts.secondary.stateDirectory, 'journals');
  }

  startSecondary(): Promise<void> {
    // A kill alone loses nothing of what was written: what was under way then is there, or written again.
    rmSync(this.notes, { recursive: true, force: true });
    mkdirSync(this.notes);
    return this.hosts.secondary.start(['--trace', this.trace], { program: this.#program });
  }

  /** Nothing that was acknowledged hangs on one thing alone: the next failure is a single one. */
  async safe(): Promise<void> {
    // Under this load it may be behind its objective.
    await this.hosts.primary.untilStatus('has a link', ({ links }) => links.some(({ up }) => up));
    await this.hosts.writeBack();
    await this.hosts.secondary.untilStatus('exposes nothing', ({ peer }) => peer?.exposedRecords === 0);
  }

  /** A moment of load, with write-back or on the way to it. */
  async moment(): Promise<void> {
    await sleep(80 + this.random.next() * 500);
  }

  count(what: string, by = 1): void {
    this.tally[what] = (this.tally[what] ?? 0) + by;
  }
}

type Failure = (ordeal: Ordeal) => Promise<void>;

const FAILURES: Readonly<Record<string, Failure>> = {
  'secondary killed': async (ordeal) => {
    await ordeal.hosts.secondary.kill('SIGKILL');
    await sleep(ordeal.random.next() * 200);
    await ordeal.startSecondary();
  },
  'secondary without power': async (ordeal) => {
    await ordeal.hosts.secondary.kill('SIGKILL');
    ordeal.count('writes torn by a power cut', losePower(ordeal.journals, ordeal.notes, ordeal.random).length);
    await ordeal.startSecondary();
  },
  'journals cut back to the trace': async (ordeal) => {
    await ordeal.hosts.secondary.kill('SIGKILL');
    losePower(ordeal.journals, ordeal.notes, ordeal.random);
    ordeal.count('cuts', cutJournals(ordeal.journals, readTrace(ordeal.trace)).length);
    await ordeal.startSecondary();
  },
  'peer killed': async ({ hosts, random }) => {
    await hosts.peer.kill('SIGKILL');
    await sleep(random.next() * 400);
    await hosts.peer.start();
  },
  'peer comes back empty': async ({ hosts }) => {
    await hosts.peer.kill('SIGKILL');
    hosts.loseRegion();
    await hosts.secondary.untilStatus('exposes nothing', ({ peer }) => peer?.exposedRecords === 0);
    await hosts.peer.start();
  },
  'links cut': async ({ proxy }) => {
    proxy.cutAll();
    await sleep(50);
  },
  'links clogged': async ({ proxy, random }) => {
    for (const link of proxy.links) proxy.hold(link, 300 + random.next() * 1500);
    await sleep(400);
  },
};

async function withOrdeal(seed: number, work: (ordeal: Ordeal) => Promise<void>): Promise<void> {
  await withPeeredHosts(SCENE, async (hosts) => {
    const proxy = await LinkProxy.open({ target: `ws://127.0.0.1:${hosts.peerPort}`, seed });
    hosts.peer.config.connect = [proxy.url];
    try {
      const ordeal = new Ordeal(hosts, proxy, seed);
      await hosts.init();
      await Promise.all([hosts.primary.start(), ordeal.startSecondary(), hosts.peer.start()]);
      await ordeal.safe();
      await work(ordeal);
    } finally {
      await proxy.close();
    }
  });
}

/** Another client that writes as fast as it is let, on the other volume. */
function fioBeside(ordeal: Ordeal): { end: () => Promise<void> } {
  if (!hasTool('fio')) return { end: async () => {} };
  const { primary } = ordeal.hosts;
  const options = { volume: 'log', rw: 'randwrite', blockSize: '4k', depth: 8, size: '8M', seconds: 600, rateIops: 400 } as const;
  const child = spawnTracked('fio', [...fioArguments(primary, options), '--thread']);
  const gone = new Promise((resolve) => child.once('exit', resolve));
  return {
    end: async () => {
      child.kill('SIGINT');
      await gone;
    },
  };
}

test(`${ROUNDS} single failures under load: nothing acknowledged is lost, and write-back comes back by itself`, async () => {
  await withOrdeal(SEED, async (ordeal) => {
    const { hosts, workload, random } = ordeal;
    await workload.start();
    const fio = fioBeside(ordeal);
    const names = Object.keys(FAILURES);
    for (let round = 0; round < ROUNDS; round += 1) {
      await ordeal.moment();
      // Each kind first, then by chance.
      const name = names[round < names.length ? round : random.int(names.length)] as string;
      ordeal.count(name);
      await (FAILURES[name] as Failure)(ordeal);
      await ordeal.safe();
    }
    await workload.stop();
    await fio.end();
    await hosts.drainedAndSame();
    process.stdout.write(`${JSON.stringify({ seed: SEED, writes: workload.writes, ...ordeal.tally })}\n`);
    assert.is(workload.differenceIn(hosts.secondary.volumePath('db1')), null, 'every reply of the primary is in the copy');
    assert.ok((ordeal.tally['cuts'] ?? 0) + (ordeal.tally['writes torn by a power cut'] ?? 0) > 0, 'a power cut took something');
  });
});

test.run();
