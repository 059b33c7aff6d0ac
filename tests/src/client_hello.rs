//! The first message of a TLS client, as far as proxies look at it.

use anyhow::Result;

/// TLS 1.2, one cipher suite, and the server name as its only extension.
///
/// # Errors
/// When the name is longer than any name.
pub fn client_hello(name: &str) -> Result<Vec<u8>> {
    fn sized(bytes: &[u8], width: usize) -> Result<Vec<u8>> {
        let length = u32::try_from(bytes.len())?.to_be_bytes();
        Ok([&length[4 - width..], bytes].concat())
    }
    let host_name = [&[0][..], &sized(name.as_bytes(), 2)?].concat();
    let server_name = [&[0, 0][..], &sized(&sized(&host_name, 2)?, 2)?].concat();
    let (version, random, session, suites, compression) =
        ([3, 3], [7; 32], sized(&[], 1)?, sized(&[0xc0, 0x2f], 2)?, sized(&[0], 1)?);
    let parts = [&version[..], &random, &session, &suites, &compression, &sized(&server_name, 2)?];
    let message = [&[1][..], &sized(&parts.concat(), 3)?].concat();
    Ok([&[22, 3, 1][..], &sized(&message, 2)?].concat())
}
