/** A peer over region files: what a start finds, and what it makes of it. */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NodeDisk } from '../../src/disk/node-disk.ts';
import { LIMITS } from '../../src/model/limits.ts';
import { initPeer } from '../../src/peer/init.ts';
import { openPeerRegion } from '../../src/peer/open-peer-region.ts';
import { regionFiles } from '../../src/peer/region-files.ts';
import { readHostState, writeHostState } from '../../src/state/host-state.ts';
import { newestHeld, recordsMessage, withPeer, type PeerWorld } from '../support/fake-secondary.ts';
import { codeOf } from '../support/scratch.ts';
import { until } from '../support/until.ts';

const disk = new NodeDisk();

/** As `withPeer`, with a region that is a file. */
function withFiles(work: (world: PeerWorld) => Promise<void>, hold: 'memory' | 'durable' = 'memory'): Promise<void> {
  return withPeer(work, { hold }, regionFiles);
}

for (const hold of ['memory', 'durable'] as const) {
  test(`a region on a disk: records outlive the peer, are fetched, and go on behind: ${hold}`, () =>
    withFiles(async ({ secondary, start }) => {
      const first = await start();
      const link = await secondary.meet(0);
      for (let sequence = 0; sequence < 30; sequence += 3) link.send(recordsMessage(sequence, 3));
      await until('held', () => newestHeld(link)?.through === 30);
      link.send({ kind: 'release', through: 10 });
      await until('released', () => first.region?.tail === 9);
      await first.stop();
      const second = await start();
      assert.equal([second.region?.tail, second.region?.head], [9, 30]);
      const again = await secondary.meet(1);
      again.send({ kind: 'fetch' });
      assert.equal(await again.message('fetched'), { kind: 'fetched', records: 21, unreadable: null });
      again.send(recordsMessage(30));
      await until('held', () => newestHeld(again)?.through === 31);
      again.send({ kind: 'release', through: 31 });
      await until('all released', () => second.status().nvram?.heldRecords === 0);
    }, hold));
}

test('a file that is no region is never replaced, whatever the config says: nothing is given up as lost', () =>
  withFiles(async ({ options, start }) => {
    const { path } = options.nvram;
    const state = readHostState(disk, options.stateDirectory);
    renameSync(path, `${path}.true`);
    writeFileSync(path, Buffer.alloc(options.nvram.sizeBytes, 0x42));
    assert.is(await codeOf(start), 'ERR_NVRAM_FOREIGN');
    assert.ok(readFileSync(path).every((byte) => byte === 0x42));
    assert.equal(readHostState(disk, options.stateDirectory), state);
    rmSync(path);
    renameSync(`${path}.true`, path);
    assert.is((await start()).region?.regionId, state.region?.id);
  }));

test('a durable region that is not there is not given up: perhaps its disk is not mounted; in memory nobody expects it', () =>
  withFiles(async ({ options, start }) => {
    const { path } = options.nvram;
    const state = readHostState(disk, options.stateDirectory);
    renameSync(path, `${path}.away`);
    assert.is(await codeOf(start), 'ERR_NVRAM_MISSING');
    assert.not(existsSync(path));
    assert.equal(readHostState(disk, options.stateDirectory), state);
    renameSync(`${path}.away`, path);
    const back = await start();
    assert.is(back.region?.regionId, state.region?.id);
    await back.stop();
    rmSync(path);
    const anew = await start({ emptyRegion: true });
    assert.equal(anew.facts().lostRegions, [state.region?.id]);
  }, 'durable'));

test('a region whose making was cut off is made again: there is nothing in it but zeroes', () =>
  withFiles(async ({ options, start }) => {
    const { path } = options.nvram;
    const before = readHostState(disk, options.stateDirectory).region?.id;
    writeFileSync(path, Buffer.alloc(8192));
    const peer = await start();
    assert.is.not(peer.region?.regionId, before);
    assert.equal(readHostState(disk, options.stateDirectory).region?.lost, [before]);
  }));

test('records flow through a small region many times its size', () =>
  withFiles(async ({ secondary, start }) => {
    const peer = await start();
    const link = await secondary.meet(0);
    const each = 64 * 1024;
    let usedBytes = 0;
    let sent = 0;
    const cost = each + 80 + LIMITS.regionOverheadBytes;
    while (sent < 400) {
      if (usedBytes + cost > (newestHeld(link)?.limitBytes ?? 0)) {
        // What was sent is held at last, and released; then there is room.
        await until('held', () => newestHeld(link)?.through === sent);
        link.send({ kind: 'release', through: sent });
        await until('credit', () => usedBytes + cost <= (newestHeld(link)?.limitBytes ?? 0));
      }
      link.send(recordsMessage(sent, 1, { lengthBytes: each }));
      usedBytes += cost;
      sent += 1;
    }
    await until('held', () => newestHeld(link)?.through === 400);
    assert.ok(usedBytes > 5 * (peer.region?.sizeBytes ?? 0));
  }));

test('a peer that is stopped in mid-stream lets go of its region, so that whoever comes next can open it', () =>
  withFiles(async ({ secondary, start }) => {
    for (let round = 0; round < 10; round += 1) {
      const peer = await start();
      const link = await secondary.meet(round);
      const head = newestHeld(link)?.through ?? 0;
      for (let sequence = 0; sequence < 20; sequence += 1) link.send(recordsMessage(head + sequence));
      await until('some are stored', () => (peer.region?.head ?? 0) > head);
      await peer.stop();
    }
  }, 'durable'));

test('a damaged region is set aside, and an empty one begins', () =>
  withFiles(async ({ secondary, start, options }) => {
    const first = await start();
    const before = first.region?.regionId ?? '';
    const link = await secondary.meet(0);
    link.send(recordsMessage(0));
    await until('held', () => newestHeld(link)?.through === 1);
    await first.stop();
    const { path } = options.nvram;
    const bytes = readFileSync(path);
    bytes.fill(0x5a, 0, 16);
    writeFileSync(path, bytes);
    const second = await start();
    assert.equal(second.facts().lostRegions, [before]);
    assert.equal([second.region?.tail, second.region?.head], [0, 0]);
    assert.ok(readFileSync(`${path}.unreadable`).equals(bytes));
  }));

test('every empty start is remembered, and not more than there is room for', () =>
  withFiles(async ({ start, options }) => {
    const former: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const peer = await start();
      former.push(peer.facts().regionId);
      assert.equal(peer.facts().lostRegions, former.slice(0, -1));
      await peer.stop();
      rmSync(options.nvram.path);
    }
    const state = readHostState(disk, options.stateDirectory);
    const lost = Array.from({ length: LIMITS.lostRegionsMax }, (_, index) => String(index).padStart(32, '0'));
    writeHostState(disk, options.stateDirectory, { ...state, region: { id: 'e'.repeat(32), lost } });
    const peer = await start();
    assert.equal(peer.facts().lostRegions, [...lost.slice(1), 'e'.repeat(32)]);
  }));

test('a crash between the state and the region costs an ID that nobody had', () =>
  withFiles(async ({ start, options }) => {
    const known = readHostState(disk, options.stateDirectory).region?.id ?? '';
    rmSync(options.nvram.path);
    let recorded = '';
    const crash = new Error('the machine is gone');
    const attempt = openPeerRegion({
      region: { disk, ...options.nvram },
      store: {
        create: () => {
          throw crash;
        },
        open: regionFiles.open,
      },
      state: readHostState(disk, options.stateDirectory),
      writeState: (change) => {
        recorded = change.region?.id ?? '';
        writeHostState(disk, options.stateDirectory, { ...readHostState(disk, options.stateDirectory), ...change });
      },
      log: () => {},
    });
    assert.is(await attempt.catch((error: unknown) => error), crash);
    const peer = await start();
    assert.equal(peer.facts().lostRegions, [known, recorded]);
    assert.not([known, recorded].includes(peer.facts().regionId));
  }));

test('a region that was given up as lost and comes back is not believed', () =>
  withFiles(async ({ start, options }) => {
    const { path } = options.nvram;
    renameSync(path, `${path}.away`);
    const first = await start();
    const { regionId, lostRegions } = first.facts();
    await first.stop();
    renameSync(`${path}.away`, path);
    const second = await start();
    assert.equal(second.facts().lostRegions, [...lostRegions, regionId]);
    assert.not([...lostRegions, regionId].includes(second.facts().regionId));
    assert.ok(existsSync(`${path}.unreadable`));
  }));

test('the region of another peer, or of another group, is never overwritten', () =>
  withFiles(async ({ start, options, secondary }) => {
    const { path } = options.nvram;
    const first = await start();
    await secondary.meet(0);
    await first.stop();
    const own = readFileSync(path);
    const state = readHostState(disk, options.stateDirectory);
    writeHostState(disk, options.stateDirectory, { ...state, region: { id: 'd'.repeat(32), lost: [] } });
    assert.is(await codeOf(start), 'ERR_NVRAM_FOREIGN');
    writeHostState(disk, options.stateDirectory, { ...state, groupId: 'f'.repeat(32) });
    assert.is(await codeOf(start), 'ERR_NVRAM_FOREIGN');
    writeHostState(disk, options.stateDirectory, state);
    const second = await start();
    assert.is(second.facts().regionId, state.region?.id);
    assert.is(readFileSync(path).length, own.length);
    assert.not(existsSync(`${path}.unreadable`));
  }));

test('a state that names no region is refused', () =>
  withFiles(async ({ start, options }) => {
    const { region, ...state } = readHostState(disk, options.stateDirectory);
    assert.ok(region !== undefined);
    writeHostState(disk, options.stateDirectory, state);
    assert.is(await codeOf(start), 'ERR_STATE_CONTENT');
  }));

test('init makes a region and a state once; it touches no region that is there unless it is told to, and leaves nothing when it fails', () =>
  withFiles(async ({ options, folder }) => {
    assert.is(await codeOf(() => initPeer({ ...options, zeroExisting: false, onProgress: () => {} })), 'ERR_ALREADY_INITIALISED');
    const state = readHostState(disk, options.stateDirectory);
    assert.equal([state.role, state.condition, state.groupId, state.stream], ['peer', 'active', null, null]);
    const other = { ...options, stateDirectory: `${folder}/other`, zeroExisting: false, onProgress: () => {} };
    assert.is(await codeOf(() => initPeer(other)), 'ERR_NVRAM_EXISTS');
    assert.not(existsSync(`${folder}/other/host-state.json`));
    const before = readFileSync(options.nvram.path);
    await initPeer({ ...other, zeroExisting: true });
    assert.ok(readFileSync(`${options.nvram.path}.unreadable`).equals(before));
    assert.is.not(readHostState(disk, `${folder}/other`).region?.id, state.region?.id);
  }));

test.run();
