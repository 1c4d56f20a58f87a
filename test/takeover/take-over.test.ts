/** Takeover (DESIGN section 8): its steps, what it refuses before anything is changed, and a crash after each of them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { watermarkPath } from '../../journals/files.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { previewTakeover } from '../../src/takeover/preview-takeover.ts';
import { TAKEOVER_STEPS, type TakeoverOptions } from '../../src/takeover/take-over.ts';
import { codeOf } from '../support/scratch.ts';
import { GROUP_ID, JOURNALS_DIRECTORY, sameVolumes, VOLUMES } from '../support/secondary-host.ts';
import { PEER_DIRECTORY, REGION_PATH, TakeoverScene } from '../support/takeover-scene.ts';
import { notePromotion } from '../../journals/watermark-epoch.ts';
import { alignedStart } from '../../src/disk/alignment.ts';
import { timersOfTheDead } from '../support/timers-of-the-dead.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Start it, and see that nothing is lost: everything that the region held is in the journals or in the volumes. */
async function judge(scene: TakeoverScene): Promise<void> {
  const secondary = await scene.startTakenOver();
  assert.ok(await secondary.until(() => secondary.replica?.isSettled === true, 60_000), 'the destage comes to rest');
  sameVolumes(scene.disk, scene.model, 2, 'durable');
  const partial = secondary.replica?.machine.held().find(({ dataSet }) => dataSet === 3);
  assert.equal([...(partial?.durable ?? [])], [0b110], 'of data set 3 it has what the region held');
  await secondary.stop();
}

test('step by step: fence, state, host epoch, records, active; then the copy has all that the region held', async () => {
  const scene = await TakeoverScene.open(1);
  const seen: unknown[] = [];
  const onStep: TakeoverOptions['onStep'] = (step) => seen.push([step, scene.state.role, scene.state.condition, scene.epochs]);
  const settle = (): Promise<void> => Promise.resolve(void seen.push(['settle', scene.epochs]));
  const report = await scene.takeOver({ onStep, settle });
  assert.equal(seen, [
    [1, 'peer', 'active', [0, 0]],
    [2, 'secondary', 'taking-over', [0, 0]],
    ['settle', [0, 0]],
    ['settle', [1, 1]],
    [3, 'secondary', 'taking-over', [1, 1]],
    [4, 'secondary', 'active', [1, 1]],
    [5, 'secondary', 'active', [1, 1]],
  ]);
  const { tookOver, resumed, fence, hostEpoch, heldRecords, addedRecords, completeDataSet } = report;
  assert.equal([tookOver, resumed, fence, hostEpoch], [true, false, 'by hand', 1]);
  // One of them was journaled already.
  assert.equal([heldRecords, addedRecords, completeDataSet], [scene.held.length, scene.held.length - 1, '2']);
  assert.equal([scene.state.hostEpoch, scene.state.reason, scene.state.groupId], [1, null, GROUP_ID]);
  await judge(scene);
  assert.equal(
    TAKEOVER_STEPS.map(({ step }) => step),
    [1, 2, 3, 4, 5],
  );
});

test('a crash after any step: the next takeover finishes it, after the fence without a second one', async () => {
  for (const crashAfter of [1, 2, 3, 4] as const) {
    for (const kept of ['page cache', 'what is durable'] as const) {
      const scene = await TakeoverScene.open(10 + crashAfter);
      const reached = await new Promise<number>((resolve) => {
        const onStep: TakeoverOptions['onStep'] = (step) => {
          if (step !== crashAfter) return;
          scene.crash(kept);
          resolve(step);
        };
        // The one that dies goes on with the disk of before the crash, and nobody hears of it.
        scene.takeOver({ onStep }).then(
          () => resolve(-1),
          () => resolve(-1),
        );
      });
      assert.is(reached, crashAfter, `step ${crashAfter} was reached`);
      if (crashAfter === 4) {
        assert.is(scene.state.condition, 'active', 'the journals have everything, durably');
        await judge(scene);
        continue;
      }
      const unfenced = await codeOf(() => scene.takeOver({ fenced: false }));
      assert.is(unfenced, crashAfter === 1 ? 'ERR_FENCE_NEEDED' : 'none');
      if (crashAfter === 1) await scene.takeOver();
      assert.equal([scene.state.role, scene.state.condition, scene.state.hostEpoch, scene.epochs], ['secondary', 'active', 1, [1, 1]]);
      await judge(scene);
    }
  }
});

test('a crash at any moment loses nothing that the region holds', async () => {
  let during = 0;
  for (let seed = 100; seed < 130; seed += 1) {
    const scene = await TakeoverScene.open(seed);
    let done = false;
    const dying = timersOfTheDead();
    void scene.takeOver().then(
      () => (done = true),
      () => {},
    );
    for (let turns = 0; turns < (seed - 100) * 4; turns += 1) await turn();
    if (!done) during += 1;
    scene.crash(seed % 2 === 0 ? 'page cache' : 'what is durable');
    dying.end();
    if (scene.state.condition !== 'active' || scene.state.role === 'peer') await scene.takeOver();
    assert.equal([scene.state.role, scene.state.condition, scene.state.hostEpoch], ['secondary', 'active', 1]);
    await judge(scene);
  }
  assert.ok(during >= 8, `${during} takeovers were cut off`);
});

test('the next host epoch is above the one of the storage and the one that the peer knows', async () => {
  const scene = await TakeoverScene.open(2);
  scene.state = { ...scene.state, hostEpoch: 6 };
  assert.is((await scene.takeOver()).hostEpoch, 7);
  const again = await TakeoverScene.open(2);
  await again.takeOver();
  // The same storage, taken over by a peer that has never heard of it.
  again.state = { ...again.state, role: 'peer', hostEpoch: 0 };
  assert.is((await again.takeOver()).hostEpoch, 2);
});

/** Whoever was promoted on the storage, as its start notes it. */
function notePromotionOn(scene: TakeoverScene, generation: number, hostEpoch = 0): Promise<void> {
  const note = { identity: { groupId: GROUP_ID, generation, stream: '00000000000000f0' }, point: null };
  return notePromotion({ disk: scene.disk, directory: JOURNALS_DIRECTORY, alignedStart, hostEpoch, note });
}

test('the secondary was promoted: its volumes are the primary of another history, and nobody takes them over', async () => {
  const scene = await TakeoverScene.open(4);
  await notePromotionOn(scene, 2);
  const before = [scene.state, scene.epochs];
  assert.is(await codeOf(() => scene.takeOver()), 'ERR_TAKEOVER_PROMOTED');
  assert.equal([scene.state, scene.epochs], before);
  const { disk, state } = scene;
  const { takeover } = scene.options();
  const preview = { disk, takeover, state, region: null, segments: () => [], warning: null, fenced: true };
  assert.is(await codeOf(() => previewTakeover(preview)), 'ERR_TAKEOVER_PROMOTED');
});

test('a promotion and a takeover at the same time: at least one of them sees the other', async () => {
  // The note comes while the taker waits: it finds it before it writes into the watermark.
  const late = await TakeoverScene.open(5);
  let noted: string | undefined;
  const settle = async (): Promise<void> => {
    noted ??= await codeOf(() => notePromotionOn(late, 2));
  };
  assert.is(await codeOf(() => late.takeOver({ settle })), 'none');
  assert.is(noted, 'ERR_HOST_SUPERSEDED', 'the announcement stood there before the note');
  const early = await TakeoverScene.open(6);
  await notePromotionOn(early, 1);
  assert.is(await codeOf(() => early.takeOver()), 'none', 'a note of the generation that the peer knows is no promotion since');
  const after = await codeOf(() => notePromotionOn(early, 2));
  assert.is(after, 'ERR_HOST_SUPERSEDED');
});

test('a region of which less can be read than it held when it was opened ends the takeover, and it can be run again', async () => {
  const scene = await TakeoverScene.open(8);
  const [first] = scene.held;
  scene.region = {
    segments: function* () {
      yield { firstOrdinal: 5, records: 1, encoded: first?.bytes ?? new Uint8Array(0) };
      return { verdict: 'unreadable' as const, offset: 4711, expected: 'segment 2', found: 'zeroes' };
    },
  };
  assert.is(await codeOf(() => scene.takeOver()), 'ERR_NVRAM_DAMAGED');
  assert.is(scene.state.condition, 'taking-over');
  scene.region = {};
  await scene.takeOver({ fenced: false });
  await judge(scene);
});

test('locks of the former host are passed by until this host has got them itself', async () => {
  const scene = await TakeoverScene.open(7);
  const lock = scene.disk.lock(VOLUMES[0]?.path ?? '');
  await scene.takeOver();
  assert.is(scene.state.hasLocks, undefined);
  assert.match(scene.log.join('\n'), /still locked by another process/);
  lock?.release();
  await (await scene.startTakenOver()).stop();
  assert.is(scene.state.hasLocks, true);
  const other = scene.disk.lock(VOLUMES[0]?.path ?? '');
  assert.is(await codeOf(() => scene.startTakenOver()), 'ERR_VOLUME_LOCKED');
  other?.release();
});

test('refused before anything is changed: not a peer, unbound, taken over, other volumes, no paths, no fence', async () => {
  const cases: readonly (readonly [string, (scene: TakeoverScene) => Partial<TakeoverOptions>])[] = [
    ['ERR_TAKEOVER_CONFIG', () => ({ takeover: null })],
    ['ERR_FENCE_NEEDED', () => ({ fenced: false })],
    ['ERR_TAKEOVER_UNBOUND', (scene) => change(scene, { groupId: null, stream: null })],
    ['ERR_TAKEN_OVER', (scene) => change(scene, { role: 'secondary', hostEpoch: 1 })],
    ['ERR_ROLE', (scene) => change(scene, { role: 'primary', condition: 'promoted' })],
    ['ERR_VOLUMES_CHANGED', (scene) => withPaths(scene, { volumes: VOLUMES.slice(1) })],
    ['ERR_WATERMARK_MISSING', (scene) => withPaths(scene, { journals: { directory: '/elsewhere' } })],
    ['ERR_VOLUME_MISSING', (scene) => withPaths(scene, { volumes: VOLUMES.map((volume) => ({ ...volume, path: `${volume.path}-not` })) })],
    ['ERR_TAKEOVER_JOURNALS', (scene) => change(scene, { groupId: 'cd'.repeat(16) })],
    ['ERR_WATERMARK_FOREIGN', (scene) => change(scene, { stream: '00000000000000ab' })],
  ];
  for (const [code, prepare] of cases) {
    const scene = await TakeoverScene.open(3);
    const changes = prepare(scene);
    const before = [scene.state, scene.epochs];
    assert.is(await codeOf(() => scene.takeOver(changes)), code);
    assert.equal([scene.state, scene.epochs], before, code);
    // The state folder is free again.
    scene.disk.lock(`${PEER_DIRECTORY}/lock`)?.release();
  }
});

function change(scene: TakeoverScene, changes: Partial<TakeoverScene['state']>): Partial<TakeoverOptions> {
  scene.state = { ...scene.state, ...changes };
  return {};
}

function withPaths(scene: TakeoverScene, changes: Partial<NonNullable<TakeoverOptions['takeover']>>): Partial<TakeoverOptions> {
  const { takeover } = scene.options();
  return takeover === null ? {} : { takeover: { ...takeover, ...changes } };
}

test('a region that is gone is refused, and with --force given up; a foreign one is never used', async () => {
  const gone: readonly ((scene: TakeoverScene) => void)[] = [
    (scene) => void (scene.opened = { kind: 'missing' }),
    (scene) => void (scene.opened = { kind: 'unreadable', isRegion: true, offset: 64, expected: 'checksum 1', found: '2' }),
    // Made empty at a start after it was lost, and no secondary has met it since.
    (scene) => {
      change(scene, { region: { id: scene.state.region?.id ?? '', lost: ['cd'.repeat(16)] } });
      scene.region = { groupId: null, head: 0, tail: 0 };
      scene.held = [];
    },
    (scene) => {
      change(scene, { region: { id: 'ef'.repeat(16), lost: [scene.state.region?.id ?? ''] } });
      scene.held = [];
    },
  ];
  for (const lose of gone) {
    const scene = await TakeoverScene.open(4);
    lose(scene);
    assert.is(await codeOf(() => scene.takeOver()), 'ERR_TAKEOVER_REGION');
    assert.is(scene.state.role, 'peer');
    const report = await scene.takeOver({ force: true });
    assert.equal([report.heldRecords, report.completeDataSet, scene.state.condition], [0, '0', 'active']);
    assert.match(report.lines.join('\n'), new RegExp(`${REGION_PATH} .*(does not exist|cannot be read|lost)`));
  }
  const scene = await TakeoverScene.open(4);
  scene.region = { regionId: '99'.repeat(16) };
  assert.is(await codeOf(() => scene.takeOver({ force: true })), 'ERR_NVRAM_FOREIGN');
});

test('a region that was bound to no group, and never lost: nothing was ever held', async () => {
  const scene = await TakeoverScene.open(5);
  scene.held = [];
  scene.region = { groupId: null, head: 0, tail: 0 };
  assert.is((await scene.takeOver()).addedRecords, 0);
});

test('locks of the former host are passed by after the fence, and said; before it they are not', async () => {
  const scene = await TakeoverScene.open(6);
  for (const path of [watermarkPath(JOURNALS_DIRECTORY), ...VOLUMES.map((volume) => volume.path)]) scene.disk.lock(path);
  await scene.takeOver();
  assert.is(scene.log.filter((line) => /still locked by another process/.test(line)).length, 1 + VOLUMES.length);
  await judge(scene);
});

test('--dry-run says what would be added, and changes nothing', async () => {
  const scene = await TakeoverScene.open(7);
  const { held } = scene;
  const encoded = Buffer.concat(held.map(({ bytes }) => bytes));
  const options = scene.options();
  const before = [scene.state, scene.epochs, VOLUMES.map(({ path }) => scene.disk.readFile(path))];
  const report = await previewTakeover({
    ...options,
    state: scene.state,
    region: { tail: 0, head: held.length, heldBytes: encoded.length, path: REGION_PATH },
    segments: () => [{ firstOrdinal: 0, records: held.length, encoded }],
    warning: null,
  });
  assert.equal(
    [report.tookOver, report.dryRun, report.hostEpoch, report.heldRecords, report.addedRecords],
    [false, true, 1, held.length, held.length - 1],
  );
  assert.match(report.lines.join('\n'), /--fenced says/);
  assert.equal([scene.state, scene.epochs, VOLUMES.map(({ path }) => scene.disk.readFile(path))], before);
});

test('a former host that still runs has time enough to notice', () => {
  assert.ok(LIMITS.epochSettleMs >= LIMITS.epochLeaseMs + 2 * LIMITS.epochReadMs);
});

test.run();
