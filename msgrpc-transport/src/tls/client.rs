//! Which servers a client trusts, and what it shows to them.
//!
//! Used by dialing. By default the system decides whom to trust, and nothing is shown.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustls_platform_verifier::BuilderVerifierExt;
use tokio::task::{JoinError, spawn_blocking};

use super::{
    TlsError,
    danger::AnyCertificate,
    pem::{self, Identity},
    provider::provider,
    rustls::{ClientConfig, pki_types::ServerName, sign::SingleCertAndKey},
};
use crate::{DialOptions, HostPort};

/// Whom a client trusts, and its own certificate if it has one. Clones share them.
///
/// The default trusts whom the system trusts; its root certificates are read at the first connection.
///
/// # Examples
///
/// ```no_run
/// use msgrpc_transport::{DialOptions, tls::ClientTls};
///
/// # fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = ClientTls::builder()
///     .ca_file("ca.pem")
///     .certificate("robot.pem", "robot.key")
///     .load()?
///     .server_name("robots.example")?;
/// let options = DialOptions::default().tls(tls);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientTls {
    shared: Arc<Shared>,
    server_name: Option<ServerName<'static>>,
}

struct Shared {
    /// `None` for a configuration of the user's own.
    files: Option<ClientTlsBuilder>,
    /// Read for each handshake; exchanged by loading again. `None` until it is first needed.
    current: Mutex<Option<Arc<ClientConfig>>>,
}

impl ClientTls {
    /// Trusts servers whose certificate was issued by one of those in this PEM file, and no others.
    ///
    /// As [`builder`](Self::builder) with nothing else set.
    ///
    /// # Errors
    ///
    /// [`TlsError`] names the file, what is wrong with it, and what was expected.
    pub fn from_ca_file(path: impl AsRef<Path>) -> Result<Self, TlsError> {
        Self::builder().ca_file(path).load()
    }

    /// Settings before their files are read.
    pub fn builder() -> ClientTlsBuilder {
        ClientTlsBuilder::default()
    }

    /// Takes a configuration of rustls as it is.
    pub fn from_config(config: Arc<ClientConfig>) -> Self {
        Self::new(None, Some(config))
    }

    /// The name, or the IP address, that the server's certificate must be valid for; sent to the server as well.
    /// Default: the host of the address.
    ///
    /// # Errors
    ///
    /// [`TlsError::ServerName`] if it is none.
    pub fn server_name(mut self, name: &str) -> Result<Self, TlsError> {
        self.server_name = Some(parse(name)?);
        Ok(self)
    }

    /// Reads all files again, for the connections that come from now on; those that are open live on.
    ///
    /// Blocks while it reads. When it fails nothing has changed.
    ///
    /// # Errors
    ///
    /// [`TlsError`] names the file and what is wrong with it. [`TlsError::NoFiles`] when there are none.
    pub fn reload(&self) -> Result<(), TlsError> {
        let files = self.shared.files.as_ref().ok_or(TlsError::NoFiles)?;
        self.replace(files.config()?);
        Ok(())
    }

    /// Takes another configuration, for the connections that come from now on.
    pub fn replace(&self, config: Arc<ClientConfig>) {
        *self.shared.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(config);
    }

    fn new(files: Option<ClientTlsBuilder>, config: Option<Arc<ClientConfig>>) -> Self {
        let shared = Arc::new(Shared { files, current: Mutex::new(config) });
        Self { shared, server_name: None }
    }

    /// The configuration, read if it was not needed so far.
    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let current = self.shared.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let files = match (current, &self.shared.files) {
            (Some(current), _) => return Ok(current),
            (None, Some(files)) => files.clone(),
            (None, None) => return Err(TlsError::NoFiles),
        };
        let loading = spawn_blocking(move || files.config());
        let cut_off = |error: JoinError| TlsError::SystemRoots {
            cause: super::rustls::Error::General(error.to_string()),
        };
        let config = loading.await.map_err(cut_off)??;
        self.replace(Arc::clone(&config));
        Ok(config)
    }

    /// The name to ask for at `host`.
    pub(super) fn name_at(&self, host: &HostPort) -> Result<ServerName<'static>, TlsError> {
        // The zone of a link-local address is no part of what a certificate names.
        let name = host.host().split('%').next().unwrap_or_default();
        self.server_name.clone().map_or_else(|| parse(name), Ok)
    }
}

impl Default for ClientTls {
    fn default() -> Self {
        Self::new(Some(ClientTlsBuilder::default()), None)
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("files", &self.shared.files)
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// What a [`ClientTls`] is made of.
#[derive(Clone, Debug, Default)]
#[must_use = "files are read by load"]
pub struct ClientTlsBuilder {
    trust: Trust,
    identity: Option<Identity>,
}

/// Which servers are trusted.
#[derive(Clone, Debug, Default)]
enum Trust {
    #[default]
    System,
    Files(Vec<PathBuf>),
    Anybody,
}

impl ClientTlsBuilder {
    /// Trusts those who are in this PEM file to issue certificates, and not whom the system trusts. May be given several
    /// times.
    pub fn ca_file(mut self, path: impl AsRef<Path>) -> Self {
        let mut paths = match self.trust {
            Trust::Files(paths) => paths,
            Trust::System | Trust::Anybody => Vec::new(),
        };
        paths.push(path.as_ref().to_owned());
        self.trust = Trust::Files(paths);
        self
    }

    /// Shows a certificate to servers that ask for one (mutual TLS). Files in PEM: the client's own certificate followed
    /// by those of its issuers; and its key, not encrypted.
    pub fn certificate(mut self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.identity = Some(Identity {
            certificate: certificate.as_ref().to_owned(),
            key: key.as_ref().to_owned(),
        });
        self
    }

    /// Reads the files.
    ///
    /// Blocks while it reads.
    ///
    /// # Errors
    ///
    /// [`TlsError`] names the file, what is wrong with it, and what was expected.
    pub fn load(self) -> Result<ClientTls, TlsError> {
        let config = self.config()?;
        Ok(ClientTls::new(Some(self), Some(config)))
    }

    pub(super) fn trust_anybody(mut self) -> Self {
        self.trust = Trust::Anybody;
        self
    }

    fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|cause| TlsError::Refused { cause })?;
        let builder = match &self.trust {
            Trust::System => {
                builder.with_platform_verifier().map_err(|cause| TlsError::SystemRoots { cause })?
            }
            Trust::Files(paths) => builder.with_root_certificates(pem::roots(paths)?),
            Trust::Anybody => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate::new(provider()))),
        };
        Ok(Arc::new(match &self.identity {
            Some(identity) => {
                let certified = SingleCertAndKey::from(identity.load()?);
                builder.with_client_cert_resolver(Arc::new(certified))
            }
            None => builder.with_no_client_auth(),
        }))
    }
}

impl DialOptions {
    /// Whom to trust at `tls://` addresses, and what to show there. Default: whom the system trusts, and nothing.
    #[must_use]
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = tls;
        self
    }
}

fn parse(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.to_owned())
        .map_err(|_no_name| TlsError::ServerName { name: name.to_owned() })
}
