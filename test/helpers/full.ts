/**
 * Whether this run takes the time for whole figures (20 kills, 10,000 writes,
 * 8,000 tunnels): `SALLYPORT_TEST_FULL=1`, as CI does. Otherwise the same tests
 * run with fewer rounds, so that the suite stays under two minutes.
 */
export const full = process.env.SALLYPORT_TEST_FULL === '1';
