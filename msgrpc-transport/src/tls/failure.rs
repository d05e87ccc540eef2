//! What a failed handshake means, in words for whoever must act: on this side or on the other.
//!
//! Used by errors of connecting, by the listener's log and by the stream. rustls's own text is always part of it.

use std::{error::Error, fmt, io};

use super::{
    TlsError,
    rustls::{self, AlertDescription, CertificateError, InvalidMessage},
};
use crate::{Address, error::reason};

/// The server rejected our client certificate, or the want of one.
///
/// By TLS 1.3 a client knows that only when it first reads: it stands within the [`io::Error`] of reading, as
/// [`io::Error::get_ref`] returns it. Trying again cannot help until one side's certificates change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    alert: AlertDescription,
}

impl Rejected {
    /// What the server said: [`AlertDescription::CertificateRequired`], [`AlertDescription::UnknownCA`],
    /// [`AlertDescription::CertificateExpired`] …
    pub fn alert(&self) -> AlertDescription {
        self.alert
    }

    /// If that is what `error` says; for a client.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        if let Some(rejected) = error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            return Some(rejected.clone());
        }
        match within(error) {
            Some(rustls::Error::AlertReceived(alert)) if is_about_certificate(*alert) => {
                Some(Self { alert: *alert })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = rustls::Error::AlertReceived(self.alert);
        write!(f, "the server rejected our client certificate: {said}")?;
        match self.alert {
            AlertDescription::CertificateRequired => {
                f.write_str("; it lets nobody in without one: ClientTls::builder().certificate(…)")
            }
            _ => Ok(()),
        }
    }
}

impl Error for Rejected {}

/// Whether `error` of a stream is a [`Rejected`].
pub(crate) fn is_rejection(error: &io::Error) -> bool {
    holds::<Rejected>(error)
}

/// Whether a handshake that failed with `error` would fail again.
pub(crate) fn is_permanent(error: &io::Error) -> bool {
    use AlertDescription as Alert;
    if holds::<TlsError>(error) || Rejected::of(error).is_some() {
        return true;
    }
    match within(error) {
        Some(
            rustls::Error::InvalidCertificate(_)
            | rustls::Error::NoCertificatesPresented
            | rustls::Error::UnsupportedNameType
            | rustls::Error::PeerIncompatible(_)
            | rustls::Error::NoApplicationProtocol
            | rustls::Error::AlertReceived(
                Alert::HandshakeFailure
                | Alert::ProtocolVersion
                | Alert::InsufficientSecurity
                | Alert::UnrecognisedName
                | Alert::NoApplicationProtocol,
            ),
        ) => true,
        Some(error) => is_no_tls(error),
        None => false,
    }
}

/// Why `cause` kept a client from having a TLS connection to `address`, where it expected `server_name`.
pub(crate) fn explain(address: &Address, server_name: &str, cause: &io::Error) -> String {
    let plain = match address {
        Address::Tls(host) => Address::Tcp(host.clone()).to_string(),
        _ => "a tcp:// address".to_owned(),
    };
    let failed = format!("the TLS handshake with {server_name:?} failed");
    if let Some(rejected) = Rejected::of(cause) {
        return rejected.to_string();
    }
    match within(cause) {
        Some(error) if is_no_tls(error) => {
            format!("the server does not speak TLS; use {plain} ({error})")
        }
        Some(error) => format!("{failed}: {error}{}", advice(error)),
        None if holds::<TlsError>(cause) => cause.to_string(),
        None if is_end(cause) => format!(
            "{failed}: the server closed the connection; does it speak TLS? If not, use {plain}"
        ),
        None => format!("{failed}: {}", reason(cause)),
    }
}

/// What a client can do about `error`.
fn advice(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            ". If its issuer is to be trusted, name it with ClientTls::from_ca_file"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => ". Use that name in the address, or ask for it with ClientTls::server_name",
        _ => "",
    }
}

/// Why `error` kept a listener from having a TLS connection; and whether somebody has to do something about it, or
/// such things happen on any network.
pub(super) fn explain_to_server(error: &io::Error) -> (String, bool) {
    match within(error) {
        Some(error) if is_no_tls(error) => {
            (format!("the client does not speak TLS; it must use a tls:// address ({error})"), true)
        }
        Some(error @ rustls::Error::AlertReceived(alert)) if is_about_certificate(*alert) => {
            (format!("the client rejected our certificate: {error}"), true)
        }
        Some(error @ rustls::Error::NoCertificatesPresented) => {
            (format!("the client must show a certificate: {error}"), true)
        }
        Some(error @ rustls::Error::InvalidCertificate(_)) => {
            (format!("the client's certificate was rejected: {error}"), true)
        }
        Some(error) => (error.to_string(), true),
        None if is_end(error) => ("the client closed the connection".to_owned(), false),
        None => (reason(error), false),
    }
}

/// Whether what came was no TLS at all.
fn is_no_tls(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion
        )
    )
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(error.kind(), Kind::UnexpectedEof | Kind::ConnectionReset | Kind::BrokenPipe)
}

/// Whether the peer means our certificate.
fn is_about_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::CertificateRequired
    )
}

fn holds<E: Error + 'static>(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<E>)
}

/// What rustls said, if it was rustls.
fn within(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
