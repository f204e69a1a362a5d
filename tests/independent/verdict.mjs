// What @trustnxt/c2pa-ts says about files, one line of JSON for each: {file, valid, codes}.
//
//   node verdict.mjs [--bare-tokens] FOLDER FILE...
//
// FOLDER holds node_modules (scripts/independent makes it). c2pa-ts is written in TypeScript alone
// and shares no code with c2pa-rs, which edge-swap signs and verifies with. It does not look at who
// signed.
import fs from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";

const bare = process.argv[2] === "--bare-tokens";
const [folder, ...files] = process.argv.slice(bare ? 3 : 2);
const modules = pathToFileURL(path.resolve(folder, "node_modules") + path.sep);
await import(new URL("reflect-metadata/Reflect.js", modules));
const library = new URL("@trustnxt/c2pa-ts/dist/", modules);
const { BMFF, JPEG, PNG } = await import(new URL("asset/index.js", library));
const { SuperBox } = await import(new URL("jumbf/index.js", library));
const { ManifestStore, ValidationResult } = await import(new URL("manifest/index.js", library));

BMFF.canReadBrands.add("isom"); // it reads MP4 too, and by itself recognises HEIC only

if (bare) {
  const { TimeStampResp, PKIStatusInfo, ContentInfo } = (
    await import(new URL("pkijs/build/index.js", modules)) // the one that c2pa-ts loads
  ).default;
  TimeStampResp.fromBER = (token) =>
    new TimeStampResp({
      status: new PKIStatusInfo({ status: 0 }), // granted: there is a token
      timeStampToken: ContentInfo.fromBER(token),
    });
}

async function verdict(file) {
  const data = new Uint8Array(await fs.readFile(file));
  const kind = [JPEG, PNG, BMFF].find((each) => each.canRead(data));
  if (kind === undefined) return { valid: false, codes: ["unknown kind of file"] };
  try {
    const asset = new kind(data);
    const stored = asset.getManifestJUMBF();
    if (stored === undefined) return { valid: null, codes: [] };
    const result = await ManifestStore.read(SuperBox.fromBuffer(stored)).validate(asset);
    return summary(result);
  } catch (error) {
    return { ...summary(ValidationResult.fromError(error)), valid: false, why: String(error) };
  }
}

function summary(result) {
  const failed = result.statusEntries.filter((entry) => entry.success === false);
  return { valid: result.isValid, codes: failed.map((entry) => entry.code) };
}

for (const file of files) {
  console.log(JSON.stringify({ file, ...(await verdict(file)) }));
}
