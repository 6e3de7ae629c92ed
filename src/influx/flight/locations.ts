/** Where an endpoint's data may be fetched. Pure. */
import { otherLocation } from "./faults.ts";

const sameConnection = "arrow-flight-reuse-connection:";

/** Any one of the locations will do; none means the server that was asked. Throws the fault `flight_other_location`. */
export function checkLocations(locations: readonly string[], ownUrl: string): void {
  const [first] = locations;
  if (first === undefined || locations.some((location) => isOurs(location, ownUrl))) return;
  throw otherLocation(first, new URL(ownUrl).host);
}

function isOurs(location: string, ownUrl: string): boolean {
  if (location.toLowerCase().startsWith(sameConnection)) return true;
  const uri = URL.parse(location);
  const own = new URL(ownUrl);
  const isTls = own.protocol === "https:";
  const schemes = isTls ? ["grpc+tls:"] : ["grpc:", "grpc+tcp:"];
  // The scheme of a location has no port of its own.
  const ownPort = own.port === "" ? (isTls ? "443" : "80") : own.port;
  return (
    uri !== null &&
    schemes.includes(uri.protocol) &&
    uri.hostname.toLowerCase() === own.hostname &&
    uri.port === ownPort
  );
}
