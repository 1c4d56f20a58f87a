/** Hosts with a history, and hosts that must refuse: what the end-to-end tests of refusals have in common. */
import * as assert from 'uvu/assert';
import { imagesOf } from './host-copies.ts';
import type { Host } from './host-process.ts';
import { withHosts, type Hosts, type HostsOptions } from './hosts.ts';
import { writeShort } from './short-writes.ts';

/** Small volumes, and many small data sets. */
export const SMALL: HostsOptions = {
  volumes: [{ name: 'db1', sizeMiB: 8 }],
  slots: 4,
  slotMiB: 1,
  links: 1,
  dataSets: { minAge: '0ms', maxAge: '20ms', maxSize: '256KiB' },
};

/** Start a host that must end with exit code 5, saying this, while no image changes. */
export async function refused(host: Host, sentence: RegExp, untouched: readonly Host[], args: readonly string[] = []): Promise<void> {
  const before = imagesOf(...untouched);
  const { exitCode, log } = await host.startRefused(args);
  assert.is(exitCode, 5, `${host.name} refuses: ${log}`);
  assert.match(log, sentence);
  // The sentences of the handshake say it themselves.
  assert.match(log, /Try: |refused at/, 'it says what to try');
  assert.is(imagesOf(...untouched), before, 'no byte of any volume changed');
}

/** Both hosts have a history, and are level. */
export async function withHistory(work: (hosts: Hosts) => Promise<void>, options: HostsOptions = SMALL): Promise<void> {
  await withHosts(options, async (hosts) => {
    await hosts.start();
    await writeShort(hosts.primary, { count: 20, fill: 1 });
    await hosts.drainedAndSame();
    await work(hosts);
  });
}

/** Stop both in order. */
export async function stopBoth({ primary, secondary }: Hosts): Promise<void> {
  assert.is(await primary.stop(), 0);
  assert.is(await secondary.stop(), 0);
}
