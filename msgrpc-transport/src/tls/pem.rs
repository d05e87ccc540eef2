//! PEM files → certificates and keys, checked as far as one can before a handshake.
//!
//! Used when settings are loaded. Errors name the file; no key is ever printed.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    TlsError, TlsFile,
    provider::provider,
    rustls::{
        RootCertStore,
        pki_types::{
            CertificateDer, PrivateKeyDer,
            pem::{self, PemObject},
        },
        sign::{CertifiedKey, SigningKey},
    },
};

/// A certificate with its issuers', and its key.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Identity {
    /// Reads both files and checks that they go together.
    pub(super) fn load(&self) -> Result<CertifiedKey, TlsError> {
        let chain = certificates(TlsFile::Certificate, &self.certificate)?;
        let key = self.load_key()?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => Ok(certified),
            Err(cause) if !is_mismatch(&cause) => Err(unusable(&self.certificate, cause)),
            // A key that cannot tell its public half is not known to be wrong.
            Err(_) if certified.key.public_key().is_none() => Ok(certified),
            Err(_) => Err(self.mismatch(&certified)),
        }
    }

    fn load_key(&self) -> Result<Arc<dyn SigningKey>, TlsError> {
        let path = &self.key;
        let bytes = read(TlsFile::Key, path)?;
        let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
            _ if is_encrypted(&bytes) => TlsError::EncryptedKey { path: path.clone() },
            pem::Error::NoItemsFound => TlsFile::Key.missing(path, found(&bytes)),
            error => damaged(TlsFile::Key, path, &error),
        })?;
        let unusable = |cause| TlsError::Unusable { file: TlsFile::Key, path: path.clone(), cause };
        provider().key_provider.load_private_key(key).map_err(unusable)
    }

    /// Whose key it is, if not the first certificate's.
    fn mismatch(&self, certified: &CertifiedKey) -> TlsError {
        let is_own = |certificate: &CertificateDer<'static>| {
            let key = Arc::clone(&certified.key);
            CertifiedKey::new(vec![certificate.clone()], key).keys_match().is_ok()
        };
        let (certificate, key) = (self.certificate.clone(), self.key.clone());
        match certified.cert.iter().position(is_own) {
            Some(index) => TlsError::WrongOrder { key, certificate, place: index + 1 },
            None => TlsError::KeyMismatch { key, certificate },
        }
    }
}

/// The certificates of all `paths`, to trust.
pub(super) fn roots(paths: &[PathBuf]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for path in paths {
        for certificate in certificates(TlsFile::Authority, path)? {
            roots.add(certificate).map_err(|cause| TlsError::Unusable {
                file: TlsFile::Authority,
                path: path.clone(),
                cause,
            })?;
        }
    }
    Ok(roots)
}

/// At least one certificate.
fn certificates(file: TlsFile, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(file, path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates.map_err(|error| damaged(file, path, &error))?;
    if certificates.is_empty() {
        return Err(file.missing(path, found(&bytes)));
    }
    Ok(certificates)
}

fn read(file: TlsFile, path: &Path) -> Result<Vec<u8>, TlsError> {
    let bytes =
        fs::read(path).map_err(|cause| TlsError::Read { file, path: path.to_owned(), cause })?;
    if bytes.trim_ascii().is_empty() {
        return Err(TlsError::Empty { file, path: path.to_owned() });
    }
    Ok(bytes)
}

/// What a file holds that holds nothing of what is wanted.
fn found(bytes: &[u8]) -> String {
    if bytes.starts_with(&[0x30, 0x80])
        || bytes.starts_with(&[0x30, 0x81])
        || bytes.starts_with(&[0x30, 0x82])
    {
        return ", but what looks like DER".to_owned();
    }
    let text = String::from_utf8_lossy(bytes);
    let labels = text
        .lines()
        .filter_map(|line| line.strip_prefix("-----BEGIN ")?.trim_end().strip_suffix("-----"));
    let labels: Vec<_> = labels.take(4).map(|label| label.escape_debug().to_string()).collect();
    if labels.is_empty() { String::new() } else { format!(", but: {}", labels.join(", ")) }
}

/// Whether there is a key that wants a password, in the form of today or in that of old.
fn is_encrypted(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.contains("Proc-Type: 4,ENCRYPTED")
}

fn is_mismatch(error: &super::rustls::Error) -> bool {
    matches!(error, super::rustls::Error::InconsistentKeys(_))
}

fn unusable(path: &Path, cause: super::rustls::Error) -> TlsError {
    TlsError::Unusable { file: TlsFile::Certificate, path: path.to_owned(), cause }
}

fn damaged(file: TlsFile, path: &Path, error: &pem::Error) -> TlsError {
    // The library's own words have the bytes of the file in them, or would not be understood.
    let damage = match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!("\"-----END {}-----\" is missing", end_marker.escape_ascii())
        }
        pem::Error::IllegalSectionStart { .. } => {
            "a line begins with \"-----BEGIN\" and does not end with \"-----\"".to_owned()
        }
        pem::Error::Base64Decode(_) => "what is between its lines is not Base64".to_owned(),
        error => error.to_string(),
    };
    TlsError::Damaged { file, path: path.to_owned(), damage }
}
