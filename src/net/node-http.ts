/**
 * node:http and node:https, which nothing else may import as values: an ES import reads every getter of the
 * module, and behind `http.WebSocket` stands the whole of undici, 12 MB resident that nothing here uses.
 */
export const http = process.getBuiltinModule("node:http");
export const https = process.getBuiltinModule("node:https");
