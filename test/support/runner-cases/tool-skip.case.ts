/** A skip because of a missing tool is counted and named. */
import { test } from 'uvu';
import { needsTools } from '../tools.ts';

const toolTest = needsTools(test, 'sh', 'no-such-tool-anywhere');
const shellTest = needsTools(test, 'sh');
toolTest('drives the tool', () => {
  throw new Error('must not run');
});
shellTest('runs', () => {});
test.run();
