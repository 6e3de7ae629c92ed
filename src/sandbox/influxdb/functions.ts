/**
 * The functions that InfluxDB knows and DuckDB does not, or not in the same way: macros in a schema that stands
 * in the search path of every query, and there comes before DuckDB's own. It is in memory, made anew at each
 * start: DuckDB's files have no macros with types.
 *
 * Times are TIMESTAMP_NS, as in InfluxDB: DuckDB's own now() has a time zone, and cannot be compared with it.
 */

/** DuckDB moves a time by an interval in microseconds; what it has below them is put back. */
const moved = (operator: string): string =>
  `make_timestamp_ns(epoch_ns(system.main."${operator}"(CAST(a AS TIMESTAMP), b)) ` +
  "+ (epoch_ns(a) - epoch_ns(CAST(a AS TIMESTAMP))))";

/** A text, or a number of `unit`s since 1970, as a time. */
const timeOf = (nsPerUnit: string): string =>
  "CASE WHEN typeof(x) IN ('VARCHAR', 'DATE') OR starts_with(typeof(x), 'TIMESTAMP') " +
  "THEN CAST(CAST(x AS VARCHAR) AS TIMESTAMP_NS) " +
  `ELSE make_timestamp_ns(CAST(CAST(CAST(x AS VARCHAR) AS DECIMAL(38, 9)) * ${nsPerUnit} AS BIGINT)) END`;

const instant = "make_timestamp_ns(epoch_ns(transaction_timestamp()))";

const originNs = "epoch_ns(CAST(origin AS TIMESTAMP_NS))";
const sourceNs = "epoch_ns(CAST(source AS TIMESTAMP_NS))";
const strideNs = "epoch_ns(CAST(stride AS INTERVAL))";
// The remainder has the sign of the dividend; what lies before the origin belongs to the window before it.
const exactBin = `make_timestamp_ns(${sourceNs} - (((${sourceNs} - ${originNs}) % ${strideNs}) + ${strideNs}) % ${strideNs})`;
const monthBin =
  "CAST(time_bucket(CAST(stride AS INTERVAL), CAST(source AS TIMESTAMP), CAST(origin AS TIMESTAMP)) AS TIMESTAMP_NS)";
const hasMonths =
  "date_part('year', CAST(stride AS INTERVAL)) <> 0 OR date_part('month', CAST(stride AS INTERVAL)) <> 0";

const macros: Readonly<Record<string, string>> = {
  "functions.fn.now()": instant,
  "functions.fn.get_current_timestamp()": instant,
  // Months have no length in nanoseconds.
  "functions.fn.date_bin(stride, source, origin := TIMESTAMP_NS '1970-01-01')": `CASE WHEN ${hasMonths} THEN ${monthBin} ELSE ${exactBin} END`,
  'functions.fn."-"(a TIMESTAMP_NS, b INTERVAL)': `${moved("-")}, (a, b) AS system.main."-"(a, b), (a) AS system.main."-"(a)`,
  'functions.fn."+"(a TIMESTAMP_NS, b INTERVAL)':
    `${moved("+")}, (b INTERVAL, a TIMESTAMP_NS) AS ${moved("+")}, ` +
    '(a, b) AS system.main."+"(a, b), (a) AS system.main."+"(a)',
  // `AT TIME ZONE`, which DuckDB's parser looks for in schema main.
  "main.timezone(zone, x)": "CAST(system.main.timezone(zone, CAST(x AS TIMESTAMP)) AS TIMESTAMP_NS)",
  "functions.fn.to_timestamp(x)": timeOf("1000000000"),
  "functions.fn.to_timestamp_seconds(x)": timeOf("1000000000"),
  "functions.fn.to_timestamp_millis(x)": timeOf("1000000"),
  "functions.fn.to_timestamp_micros(x)": timeOf("1000"),
  "functions.fn.to_timestamp_nanos(x)": timeOf("1"),
  "functions.fn.from_unixtime(x)": "make_timestamp_ns(CAST(x AS BIGINT) * 1000000000)",
  "functions.fn.to_unixtime(x)": "CAST(floor(epoch(CAST(x AS TIMESTAMP_NS))) AS BIGINT)",
  "functions.fn.to_char(x, format)": "strftime(x, format)",
  // Rows without a value are not looked at; of equal values the earliest is taken.
  "functions.fn.selector_first(x, moment)":
    "arg_min({'value': x, 'time': moment}, moment) FILTER (WHERE x IS NOT NULL AND moment IS NOT NULL)",
  "functions.fn.selector_last(x, moment)":
    "arg_max({'value': x, 'time': moment}, moment) FILTER (WHERE x IS NOT NULL AND moment IS NOT NULL)",
  "functions.fn.selector_min(x, moment)":
    "arg_min({'value': x, 'time': moment}, {'a': x, 'b': epoch_ns(moment)}) FILTER (WHERE x IS NOT NULL AND moment IS NOT NULL)",
  "functions.fn.selector_max(x, moment)":
    "arg_max({'value': x, 'time': moment}, {'a': x, 'b': -epoch_ns(moment)}) FILTER (WHERE x IS NOT NULL AND moment IS NOT NULL)",
  // Exact here: an estimate would answer otherwise from one run to the next.
  "functions.fn.approx_percentile_cont(x, percentile)": "quantile_cont(CAST(x AS DOUBLE), percentile)",
  "functions.fn.approx_median(x)": "quantile_cont(CAST(x AS DOUBLE), 0.5)",
  "functions.fn.approx_distinct(x)": "CAST(count(DISTINCT x) AS UBIGINT)",
  "functions.fn.var(x)": "var_samp(x)",
  "functions.fn.var_population(x)": "var_pop(x)",
  "functions.fn.var_sample(x)": "var_samp(x)",
  "functions.fn.regexp_like(x, pattern)": "regexp_matches(x, pattern)",
  // The operator `~`: a part of the text is enough in InfluxDB, not so in DuckDB.
  "functions.fn.regexp_full_match(x, pattern)": "regexp_matches(x, pattern)",
  "functions.fn.btrim(x)": "trim(x)",
  "functions.fn.signum(x)": "sign(x)",
  "functions.fn.nvl(x, other)": "coalesce(x, other)",
};

/** Where a query finds them. */
export const functionSchema = "functions.fn";

/** Statements that make them. */
export const functionStatements: readonly string[] = [
  "ATTACH ':memory:' AS functions",
  "CREATE SCHEMA functions.fn",
  ...Object.entries(macros).map(([head, body]) => `CREATE OR REPLACE MACRO ${head} AS ${body}`),
];

/** InfluxDB has them, and this stand-in does not. */
export const missingFunctions: ReadonlySet<string> = new Set([
  "arrow_cast",
  "arrow_typeof",
  "date_bin_gapfill",
  "date_bin_wallclock",
  "date_bin_wallclock_gapfill",
  "distinct_cache",
  "interpolate",
  "last_cache",
  "locf",
  "tz",
]);

/** Aggregates that DuckDB has under another name: there, these are window functions only. */
export const aggregatesInDuckDb: ReadonlyMap<string, string> = new Map([
  ["first_value", "first"],
  ["last_value", "last"],
]);
