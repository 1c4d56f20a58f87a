/** Without replication each write is stored as it comes, and answered as it is stored. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Application } from '../../src/application/application.ts';
import { PlainOrder } from '../../src/application/plain-order.ts';
import { NBD_ERRNO } from '../../src/nbd/contract.ts';
import { HeldVolume, NotedRequest } from '../support/primary-volume.ts';

function bench(): { volume: HeldVolume; application: Application; failures: string[] } {
  const volume = new HeldVolume(8192);
  const application = new Application([volume], 'test');
  const failures: string[] = [];
  new PlainOrder(application, (error) => void failures.push(error.message));
  return { volume, application, failures };
}

test('writes that do not overlap are answered in the order in which they are stored', () => {
  const { volume, application } = bench();
  const requests = [0, 1, 2].map((block) => new NotedRequest({ offset: block * 512 }));
  application.submit(requests);
  volume.end(2);
  volume.end(0);
  assert.equal(
    requests.map((request) => request.answer),
    [NBD_ERRNO.ok, null, NBD_ERRNO.ok],
  );
  volume.end();
});

test('FUA and FLUSH are answered when the volume is durable', () => {
  const { volume, application } = bench();
  const [fua, flush] = [new NotedRequest({ fua: true, value: 3 }), new NotedRequest({ command: 'flush' })];
  application.submit([fua]);
  volume.end();
  application.submit([flush]);
  assert.equal([fua.answer, flush.answer], [null, null]);
  volume.end();
  assert.equal([fua.answer, flush.answer, volume.durable[0]], [NBD_ERRNO.ok, null, 3]);
  volume.end();
  assert.is(flush.answer, NBD_ERRNO.ok);
});

test('a write of any length is one store', () => {
  const { volume, application } = bench();
  application.submit([new NotedRequest({ lengthBytes: 8192 })]);
  assert.equal(
    volume.underWay.map(({ lengthBytes }) => lengthBytes),
    [8192],
  );
  volume.end();
});

test('a failure is told once, and every write gets EIO', () => {
  const { volume, application, failures } = bench();
  const requests = [0, 1].map((block) => new NotedRequest({ offset: block * 512 }));
  application.submit(requests);
  volume.failure = new Error('EIO');
  volume.end();
  volume.failure = new Error('EIO again');
  volume.end();
  const later = new NotedRequest();
  application.submit([later]);
  assert.equal(
    [...requests, later].map((request) => request.answer),
    [NBD_ERRNO.EIO, NBD_ERRNO.EIO, NBD_ERRNO.EIO],
  );
  assert.equal(failures, ['EIO']);
});

test.run();
