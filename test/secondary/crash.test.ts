/**
 * The secondary under seeded lives and deaths: power cuts, kills that leave the page cache, and power cuts after a restart from the
 * page cache, at any disk operation, that of the recovery included. What is judged stands in test/support/secondary-host.ts; here:
 * what was acknowledged is never lost, what was complete is destaged, and the volumes are the primary's at exactly the watermark.
 *
 * One seed alone: `SEED=7 node dist/test/secondary/crash.test.js`; a long run: `SEEDS=5000` and, to begin elsewhere, `SEED_FROM=1000`.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Kept } from '../../src/simulation/disk.ts';
import { Random } from '../../src/simulation/random.ts';
import { initialiseSecondary, sameVolumes, SecondaryHost, smallGeometry, STREAM, VOLUMES, Witness } from '../support/secondary-host.ts';
import { DyingDisk } from '../support/secondary-host-dying-disk.ts';
import { ModelPrimary, type ModelRecord } from '../support/secondary-host-primary.ts';

const { SEED, SEEDS: COUNT = '120', SEED_FROM = '1' } = process.env;
const SEEDS = SEED === undefined ? Array.from({ length: Number(COUNT) }, (_, index) => index + Number(SEED_FROM)) : [Number(SEED)];
const LIVES = 8;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class Story {
  readonly model: ModelPrimary;
  readonly witness: Witness;
  readonly disk: DyingDisk;
  readonly slots: number;

  constructor(seed: number) {
    const random = new Random(seed);
    this.slots = 3 + (seed % 2);
    this.disk = new DyingDisk({ seed, aligned: seed % 3 !== 0, reorders: seed % 2 === 0 });
    this.model = new ModelPrimary({ random, stream: STREAM, volumes: VOLUMES, capacityBytes: smallGeometry(this.slots).capacityBytes });
    this.witness = new Witness(this.model);
  }

  async run(): Promise<void> {
    await initialiseSecondary(this.disk.current, this.slots);
    for (let life = 0; life < LIVES; life += 1) await this.#live();
    const host = await SecondaryHost.start(this.disk.current, this.witness, this.slots);
    await this.#finish(host);
  }

  /** One life: recover, sometimes come to rest, take records, die. */
  async #live(): Promise<void> {
    const { model, disk } = this;
    const how: Kept = model.chance(0.5) ? 'page cache' : 'what is durable';
    const fate = model.int(4);
    if (fate === 0) disk.crashAfter(1 + model.int(40), how);
    if (fate === 1) disk.crashAfter(40 + model.int(150), how);
    const host = await disk.unlessDead(() => SecondaryHost.start(disk.current, this.witness, this.slots));
    if (host !== null) {
      if (model.chance(0.4)) await this.#rest(host);
      model.resendAll();
      await this.#take(host, 10 + model.int(150));
      if (!host.disk.dead && fate === 2 && model.chance(0.5)) await this.#rest(host);
    }
    if (host !== null && !host.disk.dead) disk.crash(how);
  }

  async #take(host: SecondaryHost, turns: number): Promise<void> {
    const { model } = this;
    for (let count = 0; count < turns && !host.disk.dead; count += 1) {
      const { windowHigh } = host.replica.machine;
      model.writeThrough(windowHigh + 1);
      const records: (ModelRecord | null)[] = model.take(1 + model.int(8), windowHigh);
      if (model.chance(0.1)) records.push(model.any());
      const sent = records.filter((record) => record !== null);
      if (sent.length > 0) host.receive(1 + model.int(3), sent);
      if (model.chance(0.02)) model.resendAll();
      if (model.chance(0.4)) await turn();
      host.check();
    }
  }

  /** Without anything new: everything complete is destaged, and the volumes are those of the watermark. */
  async #rest(host: SecondaryHost): Promise<void> {
    const { model, witness } = this;
    if (!(await host.settle())) return;
    const watermark = host.replica.watermarkPoint?.dataSet ?? -1;
    assert.is(watermark, witness.watermark);
    assert.ok(
      watermark >= model.acknowledgedThrough(),
      `data set ${model.acknowledgedThrough()} is acknowledged, destaged is ${watermark}`,
    );
    assert.ok(watermark >= witness.flagged, `data set ${witness.flagged} is flagged, destaged is ${watermark}`);
    sameVolumes(host.disk, model, watermark, 'cached');
    sameVolumes(host.disk, model, watermark, 'durable');
    host.check();
  }

  /** Send what is left; then the copy is level. */
  async #finish(host: SecondaryHost): Promise<void> {
    const { model } = this;
    const last = model.dataSets.length - 1;
    model.resendAll();
    for (let turns = 0; model.acknowledgedThrough() < last; turns += 1) {
      assert.ok(turns < 20_000, `everything is acknowledged in the end: ${model.acknowledgedThrough()} of ${last}`);
      const records = model.take(16, host.replica.machine.windowHigh);
      if (records.length > 0) host.receive(1, records);
      await turn();
      host.check();
    }
    await this.#rest(host);
    assert.is(this.witness.watermark, last);
    assert.equal(host.mended, []);
    await host.close();
  }
}

test(`${SEEDS.length} seeds: the copy survives every crash`, async () => {
  let dataSets = 0;
  let crashes = 0;
  for (const seed of SEEDS) {
    const story = new Story(seed);
    try {
      await story.run();
    } catch (error) {
      const told = error instanceof Error ? (error.stack ?? error.message) : String(error);
      throw new Error(
        `seed ${seed} after ${story.disk.crashes} crashes (alone: SEED=${seed} node dist/test/secondary/crash.test.js): ${told}`,
        {
          cause: error,
        },
      );
    }
    dataSets += story.model.dataSets.length;
    crashes += story.disk.crashes;
  }
  assert.ok(dataSets > SEEDS.length * 8, `slots were used again: ${dataSets} data sets in ${crashes} crashes`);
  if (SEED !== undefined) process.stdout.write(`${dataSets} data sets, ${crashes} crashes\n`);
});

test.run();
