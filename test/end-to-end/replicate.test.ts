/**
 * Workloads of real clients on a primary: after a drain the far volumes are identical, byte for byte.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mustRun } from '../support/host-process.ts';
import { assertSame, withHosts } from '../support/hosts.ts';
import { needsTools } from '../support/tools.ts';
import { fio, patternFile, qemuIo } from '../support/workload.ts';

const fioTest = needsTools(test, 'fio');
const MIB = 1024 * 1024;

fioTest(
  '4k random writes at queue depth 32, without and with fsync, arrive whole (fio verifies, then the volumes are compared)',
  async () => {
    await withHosts({}, async (hosts) => {
      await hosts.start();
      await fio(hosts.primary, { rw: 'randwrite', blockSize: '4k', depth: 32, size: '16M', verify: true });
      await hosts.drainedAndSame();
      await fio(hosts.primary, { rw: 'randwrite', blockSize: '4k', depth: 32, size: '8M', fsyncEvery: 8, verify: true });
      await hosts.drainedAndSame();
      const status = await hosts.secondary.status();
      assert.is(status.behind.dataSets, 0);
      assert.is(status.rejects, 0, 'the window is respected: nothing had to be rejected');
      assert.is(status.duplicates, 0, 'nothing was sent twice without a loss');
      assert.is(await hosts.primary.stop(), 0);
      assert.is(await hosts.secondary.stop(), 0);
    });
  },
);

for (const store of ['mmap', 'pwrite'] as const) {
  fioTest(`8 parallel connections with store ${store} on both sides`, async () => {
    await withHosts({ volumes: [{ name: 'db1', sizeMiB: 32, store }] }, async (hosts) => {
      await hosts.start();
      await fio(hosts.primary, { rw: 'randwrite', blockSize: '4k', depth: 8, size: '4M', jobs: 8, fsyncEvery: 64, verify: true });
      await hosts.drainedAndSame();
    });
  });
}

fioTest('8 parallel connections that write the same blocks end in one order on both sides', async () => {
  await withHosts({ volumes: [{ name: 'db1', sizeMiB: 8 }], links: 4 }, async (hosts) => {
    await hosts.start();
    // One MiB for all: every block is overwritten by every connection, so only one common order gives equal volumes.
    const overlapping = { rw: 'randwrite', blockSize: '4k', depth: 32, size: '1M', seconds: 2 } as const;
    await Promise.all(Array.from({ length: 8 }, () => fio(hosts.primary, overlapping)));
    await hosts.drainedAndSame();
  });
});

fioTest('1 MiB sequential writes, and writes larger than a slot of the journals', async () => {
  await withHosts({ volumes: [{ name: 'db1', sizeMiB: 64 }] }, async (hosts) => {
    await hosts.start();
    await fio(hosts.primary, { rw: 'write', blockSize: '1M', depth: 8, size: '64M', verify: true });
    await hosts.drainedAndSame();
    await fio(hosts.primary, { rw: 'write', blockSize: '16M', depth: 2, size: '64M', verify: true });
    await hosts.drainedAndSame();
  });
});

for (const links of [1, 2, 4]) {
  fioTest(`${links} links carry the records side by side`, async () => {
    await withHosts({ links }, async (hosts) => {
      await hosts.start();
      await hosts.primary.untilStatus(`has ${links} links`, (status) => status.links.filter((link) => link.up).length === links);
      await fio(hosts.primary, { rw: 'randwrite', blockSize: '16k', depth: 32, size: '16M', fsyncEvery: 50 });
      await hosts.drainedAndSame();
      const { links: used } = await hosts.primary.status();
      assert.is(used.filter((link) => link.sentBytes > MIB).length, links, `each link carried records: ${JSON.stringify(used)}`);
    });
  });
}

needsTools(test, 'qemu-io')('writes with FUA, discards and zeroes of qemu-io', async () => {
  await withHosts({ volumes: [{ name: 'db1', sizeMiB: 8 }] }, async (hosts) => {
    await hosts.start();
    await qemuIo(hosts.primary, ['write -f -P 0x11 0 64k', 'write -P 0x22 1M 2M', 'write -f -P 0x33 7M 1M', 'flush']);
    await hosts.drainedAndSame();
    assert.is(readFileSync(hosts.secondary.volumePath())[MIB], 0x22, 'the bytes themselves arrived');
    await qemuIo(hosts.primary, [
      'discard 1M 512k',
      'write -z 1536k 64k',
      'write -z -u 1792k 64k',
      'write -f -z 0 4k',
      'aio_flush',
      'flush',
    ]);
    await qemuIo(hosts.primary, [
      'read -P 0 1M 512k',
      'read -P 0 1536k 64k',
      'read -P 0x22 1600k 64k',
      'read -P 0 0 4k',
      'read -P 0x11 4k 60k',
    ]);
    await hosts.drainedAndSame();
    const far = readFileSync(hosts.secondary.volumePath());
    assert.is(
      far.subarray(MIB, MIB + 512 * 1024).findIndex((byte) => byte !== 0),
      -1,
      'discarded blocks are zeroes on the far side',
    );
    assert.is(far[1600 * 1024], 0x22, 'their neighbours are not');
  });
});

needsTools(test, 'nbdcopy')('nbdcopy brings a whole image in and out again', async () => {
  await withHosts({ volumes: [{ name: 'db1', sizeMiB: 24 }] }, async (hosts) => {
    await hosts.start();
    const image = patternFile(hosts.folder, { name: 'image', lengthBytes: 24 * MIB, seed: 7 });
    await mustRun('nbdcopy', ['--flush', image, hosts.primary.nbdUri()]);
    await mustRun('nbdcopy', [hosts.primary.nbdUri(), join(hosts.folder, 'out')]);
    await assertSame(image, join(hosts.folder, 'out'), 'read back through NBD');
    await hosts.drainedAndSame();
    await assertSame(image, hosts.secondary.volumePath(), 'the far volume is the image');
  });
});

fioTest('two volumes of one group, stored by different methods, arrive together', async () => {
  const volumes = [
    { name: 'data', sizeMiB: 32, vlun: 7, store: 'mmap' },
    { name: 'log', sizeMiB: 16, vlun: 3, store: 'pwrite' },
  ] as const;
  await withHosts({ volumes }, async (hosts) => {
    await hosts.start();
    await Promise.all([
      fio(hosts.primary, { volume: 'data', rw: 'randwrite', blockSize: '8k', depth: 16, size: '16M', verify: true }),
      fio(hosts.primary, { volume: 'log', rw: 'write', blockSize: '4k', depth: 1, size: '4M', fsyncEvery: 4, verify: true }),
    ]);
    await hosts.drainedAndSame();
  });
});

test.run();
