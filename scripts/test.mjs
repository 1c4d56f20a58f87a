/** `npm test`: install, build, and run the tests; what stands after `--` filters the test files. */
import { runNode } from './run-node.mjs';
import { setUp } from './set-up.mjs';

setUp();
runNode('dist/test/run.js', process.argv.slice(2));
