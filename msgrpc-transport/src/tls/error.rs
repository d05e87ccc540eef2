//! Why settings of TLS cannot be used: which file, what is wrong with it, what was expected.
//!
//! Made when settings are loaded, and when they are loaded again. None of a handshake is here.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use super::rustls;
use crate::error::reason;

/// Settings of TLS cannot be used.
///
/// Prints, for example, `the key file server.key holds no private key, but: CERTIFICATE; expected PEM text with
/// "-----BEGIN PRIVATE KEY-----"`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read the {file} {}: {}", path.display(), no_file(cause))]
    Read {
        /// What it is for.
        file: TlsFile,
        /// Where.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// There is nothing in a file.
    #[error("the {file} {} is empty; expected {}", path.display(), file.expected())]
    Empty {
        /// What it is for.
        file: TlsFile,
        /// Where.
        path: PathBuf,
    },
    /// A file does not hold what it is for.
    #[error("the {file} {} holds no {}{}; expected {}", path.display(), file.content(), found, file.expected())]
    Missing {
        /// What it is for.
        file: TlsFile,
        /// Where.
        path: PathBuf,
        /// What it holds instead, in words that follow "holds no certificate".
        found: String,
    },
    /// A file is no PEM text, or was cut off.
    #[error("the {file} {} is damaged: {damage}; expected {}", path.display(), file.expected())]
    Damaged {
        /// What it is for.
        file: TlsFile,
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        damage: String,
    },
    /// The key is encrypted.
    #[error(
        "the key in {0} is encrypted, and nobody is here to give its password; expected a key in \
         the clear, as `openssl pkey -in {0} -out plain.key` writes it",
        path.display()
    )]
    EncryptedKey {
        /// Where.
        path: PathBuf,
    },
    /// A file holds what it is for, but rustls cannot use it.
    #[error("the {} in {} cannot be used: {cause}", file.content(), path.display())]
    Unusable {
        /// What it is for.
        file: TlsFile,
        /// Where.
        path: PathBuf,
        /// What rustls said.
        cause: rustls::Error,
    },
    /// The key is that of another certificate.
    #[error(
        "the key in {} does not belong to the certificate in {}; expected the key that the first \
         certificate there was made for",
        key.display(), certificate.display()
    )]
    KeyMismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// The key is that of a certificate that is not the first of its chain.
    #[error(
        "the certificates in {} are in the wrong order: the key in {} belongs to number {place}; \
         expected its certificate first, then those of its issuers",
        certificate.display(), key.display()
    )]
    WrongOrder {
        /// The key's file.
        key: PathBuf,
        /// The certificates' file.
        certificate: PathBuf,
        /// Which certificate the key belongs to, from 1.
        place: usize,
    },
    /// The system's root certificates cannot be had.
    #[error(
        "the system's root certificates cannot be had: {cause}; install them (ca-certificates), or \
         name those to trust with ClientTls::from_ca_file"
    )]
    SystemRoots {
        /// What was said.
        cause: rustls::Error,
    },
    /// A server's certificate cannot be valid for such a name.
    #[error("{name:?} is no server name; expected a host name or an address, such as db.example")]
    ServerName {
        /// The name.
        name: String,
    },
    /// There are no files to load again: the settings were made from a configuration of rustls.
    #[error("these settings were made from a configuration, not from files; use replace")]
    NoFiles,
    /// rustls refused for another reason.
    #[error("rustls cannot use these settings: {cause}")]
    Refused {
        /// What it said.
        cause: rustls::Error,
    },
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsFile {
    /// A certificate, and those of its issuers.
    Certificate,
    /// The key of a certificate.
    Key,
    /// Certificates of those who are trusted to issue others.
    Authority,
}

impl TlsFile {
    pub(super) fn content(self) -> &'static str {
        match self {
            Self::Certificate | Self::Authority => "certificate",
            Self::Key => "private key",
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Certificate | Self::Authority => "PEM text with \"-----BEGIN CERTIFICATE-----\"",
            Self::Key => "PEM text with \"-----BEGIN PRIVATE KEY-----\"",
        }
    }

    pub(super) fn missing(self, path: &Path, found: String) -> TlsError {
        TlsError::Missing { file: self, path: path.to_owned(), found }
    }
}

impl fmt::Display for TlsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate file",
            Self::Key => "key file",
            Self::Authority => "CA file",
        })
    }
}

/// The reason in the same words on every system.
fn no_file(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => reason(error),
    }
}
