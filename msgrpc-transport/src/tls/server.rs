//! What a server shows to its clients, and whether they must show something as well.
//!
//! Used by listeners. Settings are loaded whole or not at all, and can be loaded again while the server runs.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    TlsError,
    pem::{self, Identity},
    provider::provider,
    rustls::{
        ServerConfig,
        server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
        sign::SingleCertAndKey,
    },
};
use crate::ListenOptions;

/// A server's certificate and key, and which clients it lets in. Clones share them.
///
/// # Examples
///
/// ```no_run
/// use msgrpc_transport::{ListenOptions, tls::ServerTls};
///
/// # fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = ServerTls::builder("server.pem", "server.key").client_ca("clients.pem").load()?;
/// let options = ListenOptions::default().tls(tls.clone());
/// // Later, when the files have been renewed:
/// tls.reload()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServerTls(Arc<Shared>);

struct Shared {
    /// `None` for a configuration of the user's own.
    files: Option<ServerTlsBuilder>,
    /// Read for each handshake; exchanged by loading again.
    current: Mutex<Arc<ServerConfig>>,
}

impl ServerTls {
    /// Reads a certificate and its key, for a server that lets every client in.
    ///
    /// As [`builder`](Self::builder) with nothing else set.
    ///
    /// # Errors
    ///
    /// [`TlsError`] names the file, what is wrong with it, and what was expected.
    pub fn from_files(
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        Self::builder(certificate, key).load()
    }

    /// Settings from files in PEM, before they are read: the server's own certificate followed by those of its
    /// issuers, without the root's; and its key, not encrypted. Both may be the same file.
    pub fn builder(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> ServerTlsBuilder {
        let identity =
            Identity { certificate: certificate.as_ref().to_owned(), key: key.as_ref().to_owned() };
        ServerTlsBuilder { identity, authorities: Vec::new(), optional: false }
    }

    /// Takes a configuration of rustls as it is.
    pub fn from_config(config: Arc<ServerConfig>) -> Self {
        Self(Arc::new(Shared { files: None, current: Mutex::new(config) }))
    }

    /// Reads all files again, for the connections that come from now on; those that are open live on.
    ///
    /// Blocks while it reads. When it fails nothing has changed.
    ///
    /// # Errors
    ///
    /// [`TlsError`] names the file and what is wrong with it. [`TlsError::NoFiles`] when there are none.
    pub fn reload(&self) -> Result<(), TlsError> {
        let files = self.0.files.as_ref().ok_or(TlsError::NoFiles)?;
        self.replace(files.config()?);
        Ok(())
    }

    /// Takes another configuration, for the connections that come from now on.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        *self.0.current.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.current.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("files", &self.0.files).finish_non_exhaustive()
    }
}

/// Which files a [`ServerTls`] reads.
#[derive(Clone, Debug)]
#[must_use = "files are read by load"]
pub struct ServerTlsBuilder {
    identity: Identity,
    authorities: Vec<PathBuf>,
    optional: bool,
}

impl ServerTlsBuilder {
    /// Lets only clients in that show a certificate issued by one of those in this PEM file (mutual TLS). May be given
    /// several times.
    ///
    /// A service then knows its caller by [`Peer::subject`](crate::Peer::subject). Sessions are not resumed, so that each
    /// connection's certificate is checked anew.
    pub fn client_ca(mut self, path: impl AsRef<Path>) -> Self {
        self.authorities.push(path.as_ref().to_owned());
        self
    }

    /// Lets clients in that show no certificate as well; one that is shown must be right all the same. Without
    /// [`client_ca`](Self::client_ca) none is asked for.
    pub fn optional_client_certificate(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Reads the files.
    ///
    /// Blocks while it reads.
    ///
    /// # Errors
    ///
    /// [`TlsError`] names the file, what is wrong with it, and what was expected.
    pub fn load(self) -> Result<ServerTls, TlsError> {
        let current = Mutex::new(self.config()?);
        Ok(ServerTls(Arc::new(Shared { files: Some(self), current })))
    }

    fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let certified = self.identity.load()?;
        let verifier = self.verifier()?;
        let shows = verifier.offer_client_auth();
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|cause| TlsError::Refused { cause })?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        if shows {
            // A session that is resumed skips the check of the client's certificate.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Arc::new(config))
    }

    fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        if self.authorities.is_empty() {
            return Ok(WebPkiClientVerifier::no_client_auth());
        }
        let roots = Arc::new(pem::roots(&self.authorities)?);
        let builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
        let builder = if self.optional { builder.allow_unauthenticated() } else { builder };
        builder.build().map_err(|cause| TlsError::Refused {
            cause: super::rustls::Error::General(cause.to_string()),
        })
    }
}

impl ListenOptions {
    /// What to show to clients of `tls://` addresses.
    #[must_use]
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }
}
