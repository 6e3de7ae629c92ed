/** LZ4 frames that were made by others, for the text of `lz4Text`. */

/** 40 short sentences. */
export const lz4Text = Buffer.from(
  Array.from({ length: 40 }, (_, i) => `room ${i % 7} is at ${i % 13}.5 degrees; `).join(""),
);

export const lz4Frames = {
  /** By Arrow's C++ (liblz4): one block, no checksums. */
  plain: frame(
    [
      "BCJNGGBAgiYBAADxC3Jvb20gMCBpcyBhdCAwLjUgZGVncmVlczsgGgATMRoAHTEaABMyGgAdMhoAEzMaAB0zGgATNBoAHTQaABM1GgAdNRoA",
      "EzYaAB02GgAEtgAdNxoABLYAHTgaAAS2AB05GgAEtgAeMQUBBLcAHjEGAQS4AB4xBwEEuQAOUAAEuQAOTwAEuQAOTgAEuQAOVQEEuQAOVQEE",
      "uAAOVQEEtwAOVQEEtgAOVQEEtgAOVQEEtgAOVQEEtgAPVQEABLcAD1UBAAS4AA9VAQAEuQAOVQEEuQAOVQEEuQAOVQEEuQAOVQEEuQAOVQEE",
      "uAAOVQEEtwAOVQEEtgAOVQEEtgAOVQEEtgAOVQEEtgAPVQEABLcAD1UBAAS4AA9VAQAEuQAEVQFQZWVzOyAAAAAA",
    ].join(""),
  ),
  /** By Arrow's C++: the text 150 times, in three blocks of which the later ones refer to the earlier ones. */
  linkedBlocks: frame(
    [
      "BCJNGEBAwCQDAADxC3Jvb20gMCBpcyBhdCAwLjUgZGVncmVlczsgGgATMRoAHTEaABMyGgAdMhoAEzMaAB0zGgATNBoAHTQaABM1GgAdNRoA",
      "EzYaAB02GgAEtgAdNxoABLYAHTgaAAS2AB05GgAEtgAeMQUBBLcAHjEGAQS4AB4xBwEEuQAOUAAEuQAOTwAEuQAOTgAEuQAOVQEEuQAOVQEE",
      "uAAOVQEEtwAOVQEEtgAOVQEEtgAOVQEEtgAOVQEEtgAPVQEABLcAD1UBAAS4AA9VAQAEuQAOVQEEuQAOVQEEuQAOVQEEuQAOVQEEuQAOVQEE",
      "uAAOVQEEtwAOVQEEtgAOVQEEtgAOVQEEtgAOVQEEtgAPVQEABLcAD1UBAAS4AA9VAQAEuQAOVQEEhQAOGgAFhQANSQMEhAAObwEEgwAObwEE",
      "ggAObwEEOwEObwEEOwEObwEEtgAObwEEtgAObwEEtgAObwEEtgAPbwEABLcAD28BAAS4AA9vAQAEuQAOVQEEuQAOxAIEuQAOVQEEuQAOVQEE",
      "uQAOVQEEuAAOVQEEtwAOVQEEtgAOVQEEtgAOVQEEtgAOVQEEtgAPVQEABLcAD1UBAAS4AA9VAQAEuQAOVQEEuQAOVQEEuQAOVQEEuQAOVQEE",
      "uQAOVQEEuAAOVQEEtwAOVQEEtgAOVQEEtgAOVQEEtgAOVQEEtgAPVQEABLcAD1UBAAS4AA9VAQAEuQAOVQEEhQAOGgAFhQAPGQT/////////",
      "////////////////////////////////////////////////////////////////////////////////////////////////////////////",
      "////////////////////////////////////////////////////////////////////////////////////////////////////////////",
      "/////////////////////////////////////////////////////////////////////////////////////////////////////////4ZQ",
      "ZXM7IHJDAQAACIb4DqD4BIb4DqD4BAH4DqD4BAH4DqD4BYX4Djb4BYX4Dqb5BIX4D6D4AAQ/+Q5QAAS5AA5PAAS5AA/1+f//////////////",
      "////////////////////////////////////////////////////////////////////////////////////////////////////////////",
      "////////////////////////////////////////////////////////////////////////////////////////////////////////////",
      "////////////////////////////////////////////////////////////////////////////////////////////////////////////",
      "/+5QZWVzOyB4AgAACn7/DhX/BH7/DmP/BEn/DhoAHzF9/wYTMhoADmgAEzMaAB0znQAEggAdNBoABP//HTUaAAT//x02GgAEtgAdNxoABLYA",
      "HTgaAAS2AB05GgAEtgAeMQUBBLcALTExNgAEuAAeMQcBBLkADlAABLkADk8ABLkADk4ABLkADlUBBLkADlUBBLgADlUBBLcADlUBBLYADlUB",
      "BLYADlUBBLYADlUBBLYAD1UBAAS3AA9VAQAEuAAPVQEABLkADlUBBLkADlUBBLkADlUBBLkADlUBBLkADlUBBLgADlUBBLcADlUBBLYADlUB",
      "BLYADlUBBLYADlUBBLYAD1UBAAS3AA9VAQAEuAAPVQEABLkADlUBBIUADhoABYUADRMDBIQADm8BBIMADm8BBIIADm8BBDsBDm8BBDsBDm8B",
      "BLYADm8BBLYADm8BBLYADm8BBLYAD28BAAS3AA9vAQAEuAAPbwEABLkADlUBBLkADsQCBLkADlUBBLkADlUBBLkADlUBBLgADlUBBLcADlUB",
      "BLYADlUBBLYADlUBBLYADlUBBLYAD1UBAAS3AA9VAQAEuAAPVQEABLkADlUBBLkADlUBBLkADlUBBLkADlUBBLkADlUBBLgADlUBBLcADlUB",
      "BLYADlUBBLYADlUBBLYADlUBBLYAD1UBAAS3AA9VAQAEuAAPVQEABLkADlUBBIUADhoABYUADxkE////////////////////////////////",
      "/////////////////////////////////////////////////////////////////////////////////////////////11QZWVzOyAAAAAA",
    ].join(""),
  ),
  /** By Arrow's C++: the bytes 0 to 39, which cannot be compressed and stand as they are. */
  stored: frame(["BCJNGGBAgigAAIAAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnAAAAAA=="].join("")),
  /** By lz4_flex (Rust): checksums of each block and of the content. */
  checksums: frame(
    [
      "BCJNGHRAvScBAADxC3Jvb20gMCBpcyBhdCAwLjUgZGVncmVlczsgGgATMRoAHTEaABMyGgAdMhoAEzMaAB0zGgATNBoAHTQaABM1GgAdNRoA",
      "EzYaAB02GgAEtgAdNxoABLYAHTgaAAS2AB05GgAEtgAeMQUBBLcAHjEGAQS4AB4xBwEEuQAOUAAEuQAOTwAEuQAOTgAEuQAOVQEEuQAOVQEE",
      "uAAOVQEEtwAOVQEEtgAOVQEEtgAOVQEEtgAOVQEEtgAPVQEABLcAD1UBAAS4AA9VAQAEuQAOVQEEuQAOVQEEuQAOVQEEuQAOVQEEuQAOVQEE",
      "uAAOVQEEtwAOVQEEtgAOVQEEtgAOVQEEtgAOVQEEtgAPVQEABLcAD1UBAAS4AA9VAQAEuQADVQFgcmVlczsgcHQmDAAAAADBHe4z",
    ].join(""),
  ),
};

function frame(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, "base64"));
}
