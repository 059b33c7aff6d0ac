//! In: a URL as the user writes it. Out: what can be asked of a sidecar, or what to write instead.

use std::str::FromStr;

use http::Uri;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An absolute `http://` URL.
    Http(Uri),
    /// A port that the sidecar listens on for TCP.
    Tcp {
        /// The host, for messages: the sidecar goes by the port.
        host: String,
        /// The port.
        port: u16,
    },
}

/// Why a URL can't be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is no URL.
    #[error("`{0}` is not a URL: write it as in `http://ratings:9080/` or `tcp://mongo:27017`")]
    NotAUrl(String),
    /// TLS would have to be spoken by the caller.
    #[error("`{0}`: https can't be called; the sidecar encrypts by itself where it is told to, so call http")]
    Https(String),
    /// There is no usual port for TCP.
    #[error("`{0}` names no port: write it as in `tcp://mongo:27017`")]
    NoPort(String),
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let not_a_url = || TargetError::NotAUrl(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| not_a_url())?;
        let authority =
            uri.authority().filter(|authority| !authority.host().is_empty()).ok_or_else(not_a_url)?;
        match uri.scheme_str() {
            Some("http") => Ok(Self::Http(uri)),
            Some("https") => Err(TargetError::Https(text.to_owned())),
            Some("tcp") => {
                let port = authority.port_u16().ok_or_else(|| TargetError::NoPort(text.to_owned()))?;
                Ok(Self::Tcp { host: authority.host().to_owned(), port })
            }
            _ => Err(not_a_url()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        assert!(matches!("http://ratings:9080/".parse(), Ok(Target::Http(_))));
        assert!(matches!("http://ratings".parse(), Ok(Target::Http(_))));
        assert_eq!("tcp://mongo:27017".parse(), Ok(Target::Tcp { host: "mongo".to_owned(), port: 27017 }));
        for (text, word) in [
            ("ratings:9080", "not a URL"),
            ("/path", "not a URL"),
            ("ftp://x/", "not a URL"),
            ("https://x/", "https can't be called"),
            ("tcp://mongo", "names no port"),
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
