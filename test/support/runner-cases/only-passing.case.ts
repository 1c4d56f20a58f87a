/** A left-over .only fails the file although every test would pass. */
import { test } from 'uvu';

const { only } = test;
only('good', () => {});
test.run();
