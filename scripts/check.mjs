/** `npm run check`: everything that must be good before a commit: build, lint, format, tests (tidy is one of them). */
import { runNode } from './run-node.mjs';
import { build, install, tool } from './set-up.mjs';

install();
build();
tool('oxlint', 'bin/oxlint', ['--type-aware', '--deny-warnings']);
tool('oxfmt', 'bin/oxfmt', ['--check']);
runNode('dist/test/run.js', process.argv.slice(2));
