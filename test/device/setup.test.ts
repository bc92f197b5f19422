import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SourceFile } from "../../src/device/apt.ts";
import { planInstallation, shellLines } from "../../src/device/setup.node.ts";
import { UserError } from "../../src/errors.ts";

const LIST = "/etc/apt/sources.list";
const PARTS = "/etc/apt/sources.list.d";
const added = (...files: SourceFile[]) => planInstallation(files, "bookworm").source;

test("setup: one-line sources give a one-line entry with the same mirror and options", () => {
  const text = [
    "# deb http://commented.example/debian bookworm main",
    "deb cdrom:[Debian GNU/Linux 12.0.0 _Bookworm_]/ bookworm main",
    "deb-src http://source.example/debian bookworm main",
    "deb [arch=amd64 signed-by=/k.gpg]  http://mirror.example/debian/ bookworm main contrib # ours",
    "deb http://mirror.example/debian-security bookworm-security main",
  ].join("\n");
  assert.equal(added({ path: LIST, text }), {
    path: `${PARTS}/mcibi-webgpu-backports.list`,
    text: "deb [arch=amd64 signed-by=/k.gpg]  http://mirror.example/debian/ bookworm-backports main\n",
  });
});

test("setup: deb822 sources give a deb822 entry with the same fields", () => {
  const text = `Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no

# the archive
types: deb deb-src
# URIs: http://commented.example/debian
URIs:
 http://one.example/debian
 http://two.example/debian
Suites: bookworm
 bookworm-updates
Components: main non-free-firmware
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBGPL0BUBEAD
 -----END PGP PUBLIC KEY BLOCK-----
`;
  assert.equal(added({ path: `${PARTS}/debian.sources`, text }), {
    path: `${PARTS}/mcibi-webgpu-backports.sources`,
    text: `types: deb
URIs:
 http://one.example/debian
 http://two.example/debian
Suites: bookworm-backports
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBGPL0BUBEAD
 -----END PGP PUBLIC KEY BLOCK-----
`,
  });
});

test("setup: Debian's archive is told from other vendors', and a mirror of one's own is taken", () => {
  const vendor = { path: `${PARTS}/a.list`, text: "deb https://apt.vendor.example bookworm main\n" };
  const debian = { path: `${PARTS}/b.list`, text: "deb http://snapshot.example/archive/debian/2025/ oldstable main\n" };
  const own = { path: LIST, text: "deb http://mirror.example/bookworm-copy bookworm main\n" };
  assert.match(added(vendor, debian)!.text, "snapshot.example/archive/debian/2025/ bookworm-backports");
  assert.match(added(own, vendor)!.text, "mirror.example/bookworm-copy bookworm-backports");
});

test("setup: backports that are there already, in either format, are not added again", () => {
  const line = { path: LIST, text: "deb http://m.example/debian bookworm-backports main\n" };
  const paragraph = {
    path: `${PARTS}/x.sources`,
    text: "Types: deb\nURIs: http://m.example/debian\nSuites: bookworm bookworm-backports\nComponents: main\n",
  };
  for (const file of [line, paragraph]) {
    const plan = planInstallation([file], "bookworm");
    assert.is(plan.source, undefined);
    assert.ok(plan.aptGet[1].join(" ").includes("-t bookworm-backports mesa-vulkan-drivers libvulkan1"));
  }
});

test("setup: releases with a newer Mesa install their own, whatever their sources", () => {
  for (const codename of ["trixie", "noble", ""]) {
    assert.equal(planInstallation([], codename), {
      source: undefined,
      aptGet: [["update"], ["install", "--yes", "--no-install-recommends", "mesa-vulkan-drivers", "libvulkan1"]],
    });
  }
});

test("setup: Debian 12 without a usable source entry is an error that names the files", () => {
  const file = { path: LIST, text: "deb http://m.example/debian bookworm contrib\ndeb malformed\n" };
  assert.throws(
    () => planInstallation([file], "bookworm"),
    (error: Error) => error instanceof UserError && /sources\.list .*bookworm-backports/s.test(error.message),
  );
});

test("setup: the lines for a root shell write the file and install from it", () => {
  const plan = planInstallation([{ path: LIST, text: "deb http://m.example/debian bookworm main\n" }], "bookworm");
  assert.is(
    shellLines(plan),
    `cat > ${PARTS}/mcibi-webgpu-backports.list <<'END'
deb http://m.example/debian bookworm-backports main
END
DEBIAN_FRONTEND=noninteractive apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends -t bookworm-backports \
mesa-vulkan-drivers libvulkan1
`,
  );
});

test.run();
