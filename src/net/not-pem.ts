import { X509Certificate } from "node:crypto";

/** What a file is that should hold PEM certificates or a PEM key and does not, and what to type. Pure. */

export interface NotPem {
  /** "it is empty" */
  readonly what: string;
  readonly hint: string;
}

/** What is in PEM, by the label of its first block. */
const label = /-----BEGIN ([A-Z0-9 ]{1,40})-----/;

/** Of a file without a certificate in PEM, for `ca_file` and `cert_file`. `head`: the first bytes at least. */
export function noCertificate(setting: string, path: string, head: Buffer): NotPem {
  const name = `name the certificate itself in ${setting}`;
  const found = emptyOrUtf16(path, head);
  if (found !== undefined) return found;
  const text = head.toString("latin1");
  const kind = label.exec(text)?.[1];
  if (kind === undefined) return binary(setting, path, head, text);
  if (kind === "CERTIFICATE")
    return { what: "the certificate in it has no end", hint: `copy it again, down to END CERTIFICATE` };
  if (kind.endsWith("PRIVATE KEY")) return { what: "it holds a private key and no certificate", hint: name };
  if (kind.endsWith("PUBLIC KEY")) return { what: "it holds a public key and no certificate", hint: name };
  if (kind.endsWith("CERTIFICATE REQUEST"))
    return { what: "it holds a request for a certificate", hint: `have it signed, and ${name}` };
  if (kind === "PKCS7" || kind === "CMS") return pkcs7(path, "pem");
  if (kind === "TRUSTED CERTIFICATE") {
    const hint = `to convert it: openssl x509 -in ${path} -out new.pem`;
    return { what: "it holds a certificate in OpenSSL's own format (TRUSTED CERTIFICATE)", hint };
  }
  return { what: `it holds ${kind} and no BEGIN CERTIFICATE block`, hint: name };
}

function binary(setting: string, path: string, head: Buffer, text: string): NotPem {
  if (/^\s*<(?:!doctype|html|\?xml)/i.test(text)) {
    const hint = "what was downloaded is not the file: open it, see what it says, and download it again";
    return { what: "it is a web page", hint };
  }
  if (head[0] === 0x30) {
    if (head.subarray(0, 40).includes(signedData)) return pkcs7(path, "der");
    if (isPkcs12(head)) {
      const hint = `to convert it: openssl pkcs12 -in ${path} -nokeys -out new.pem`;
      return { what: "it is a PKCS#12 file (.p12, .pfx)", hint };
    }
    if (isCertificate(head)) {
      const hint = `to convert it: openssl x509 -inform der -in ${path} -out new.pem`;
      return { what: "it is a certificate in DER, not in PEM", hint };
    }
  }
  return {
    what: "it holds no BEGIN CERTIFICATE block",
    hint: `name a PEM file in ${setting}: a text that begins with -----BEGIN CERTIFICATE-----`,
  };
}

/** Of a file without a private key that can be used, for `key_file`. */
export function noKey(path: string, content: Buffer): NotPem {
  const found = emptyOrUtf16(path, content);
  if (found !== undefined) return found;
  const text = content.toString("latin1");
  const kind = label.exec(text)?.[1];
  // PKCS#8 says so in its label, the traditional form in a header.
  if (kind === "ENCRYPTED PRIVATE KEY" || /^Proc-Type: *4,ENCRYPTED/m.test(text)) {
    const hint = `key_file must have no passphrase; to remove it: openssl pkey -in ${path} -out new.key`;
    return { what: "the key in it has a passphrase", hint };
  }
  const name = "name the key that belongs to cert_file in key_file";
  if (kind === "OPENSSH PRIVATE KEY")
    return { what: "it holds a key of SSH, which TLS cannot use", hint: name };
  if (kind?.endsWith("PRIVATE KEY") === true) {
    const hint = `copy it again, from BEGIN to END; openssl pkey -in ${path} -noout says whether it is whole`;
    return { what: "the private key in it is damaged", hint };
  }
  if (kind !== undefined) return { what: `it holds no private key, but ${kind}`, hint: name };
  if (content[0] === 0x30 && isPkcs12(content)) {
    const hint = `to convert it: openssl pkcs12 -in ${path} -nocerts -nodes -out new.key`;
    return { what: "it is a PKCS#12 file (.p12, .pfx)", hint };
  }
  if (content[0] === 0x30) {
    const hint = `to convert a key in DER: openssl pkey -inform der -in ${path} -out new.key`;
    return { what: "it holds no private key in PEM", hint };
  }
  const hint = "name a PEM file in key_file: a text that begins with -----BEGIN PRIVATE KEY----- or the like";
  return { what: "it holds no private key", hint };
}

function emptyOrUtf16(path: string, head: Buffer): NotPem | undefined {
  if (head.toString("latin1").trim() === "") {
    return { what: "it is empty", hint: "see whether what writes it has run, and whether the disk was full" };
  }
  const [first, second] = head;
  const isUtf16 = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  // Without a mark at its beginning, "-" and a zero.
  if (!isUtf16 && !(first === 0x2d && second === 0) && !(first === 0 && second === 0x2d)) return undefined;
  const from = isUtf16 ? "UTF-16" : first === 0 ? "UTF-16BE" : "UTF-16LE";
  return {
    what: "it is a text in UTF-16",
    hint: `to convert it: iconv -f ${from} -t ASCII ${path} > new.pem`,
  };
}

function pkcs7(path: string, form: "pem" | "der"): NotPem {
  const hint = `to convert it: openssl pkcs7 -inform ${form} -in ${path} -print_certs -out new.pem`;
  return { what: "it is a PKCS#7 file (.p7b)", hint };
}

/** The object identifier 1.2.840.113549.1.7.2 (RFC 2315 §14). */
const signedData = Buffer.from("06092a864886f70d010702", "hex");

/** A SEQUENCE that begins with the version 3 (RFC 7292 §4). */
function isPkcs12(head: Buffer): boolean {
  const length = head[1] ?? 0;
  const start = length < 0x80 ? 2 : 2 + (length & 0x7f);
  return head.subarray(start, start + 3).equals(Buffer.from([2, 1, 3]));
}

function isCertificate(der: Buffer): boolean {
  try {
    return new X509Certificate(der).raw.length > 0;
  } catch {
    return false;
  }
}
