/** Below the options in `flightline query --help`. */
export const queryHelp = `
Formats: a table on a terminal, csv elsewhere; --output FILE.json, .ndjson and .arrow choose theirs.
  table   the first 10,000 rows, as wide as the terminal
  csv     with a head; times in ISO 8601 with nine digits, lines end in LF; null is empty and "" an empty text,
          but where there is only one column null is "" too: an empty line would be skipped
  json    one array; 64-bit integers with all their digits, NaN and Infinity are null, bytes are base64
  ndjson  one object to a line
  arrow   an Arrow IPC stream; for --schema one without rows, as its head says it all
Parameters: true, false, null, 5 (an integer), 21.5 (a float), all else is text; name:string=5, name:float=5,
name:int=5 and name:bool=true say it. For a time: CAST($from AS TIMESTAMP) and --param from=2026-11-22T08:00:00Z.

Examples:
  flightline query --tables
  flightline query "SELECT * FROM uplink WHERE time > now() - INTERVAL '1 hour' ORDER BY time"
  flightline query 'SELECT * FROM uplink WHERE dev_eui = $eui' --param eui:string=70b3d5e75e000001 --output uplinks.csv
`;
