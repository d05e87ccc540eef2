//! Mutual TLS: certificates of one's own, a service that knows its callers, and a new certificate while it runs.
#![expect(clippy::print_stdout, reason = "an example speaks to its user")]

use std::error::Error;
use std::fs;
use std::path::Path;

use msgrpc::tls::{ClientTls, ServerTls};
use msgrpc::{Client, Context, Server};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};

/// Lets those in whose certificate it knows.
#[msgrpc::service]
pub trait Gate {
    /// Greets the caller by the subject of its certificate.
    async fn enter(&self, ctx: &Context) -> String;
}

struct Keeper;

impl Gate for Keeper {
    async fn enter(&self, ctx: &Context) -> String {
        match ctx.peer().subject() {
            Some("CN=robot 7") => "welcome, robot 7".to_owned(),
            Some(subject) => format!("you are {subject}, whom nobody expects"),
            None => "you have shown no certificate".to_owned(),
        }
    }
}

/// Who issues the certificates. A real one keeps its key elsewhere.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Result<Self, rcgen::Error> {
        let mut params = subject("authority", &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// Writes `name.pem` and `name.key` into `directory`.
    fn issue(&self, directory: &Path, name: &str, hosts: &[&str]) -> Result<(), Box<dyn Error>> {
        let key = KeyPair::generate()?;
        let certificate = subject(name, hosts)?.signed_by(&key, &self.0)?;
        fs::write(directory.join(name).with_extension("pem"), certificate.pem())?;
        fs::write(directory.join(name).with_extension("key"), key.serialize_pem())?;
        Ok(())
    }
}

fn subject(name: &str, hosts: &[&str]) -> Result<CertificateParams, rcgen::Error> {
    let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

/// A client of `address` that shows the certificate of `name`.
async fn visit(address: &str, directory: &Path, name: &str) -> Result<GateClient, Box<dyn Error>> {
    let path = |file: &str| directory.join(file);
    let tls = ClientTls::builder()
        .ca_file(path("ca.pem"))
        .certificate(path(&format!("{name}.pem")), path(&format!("{name}.key")))
        .load()?;
    Ok(GateClient::new(Client::builder(address).tls(tls).connect().await?))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("msgrpc-tls-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let authority = Authority::new()?;
    fs::write(directory.join("ca.pem"), authority.0.pem())?;
    authority.issue(&directory, "server", &["localhost", "127.0.0.1"])?;
    authority.issue(&directory, "robot 7", &[])?;
    authority.issue(&directory, "robot 8", &[])?;

    let tls = ServerTls::builder(directory.join("server.pem"), directory.join("server.key"))
        .client_ca(directory.join("ca.pem"))
        .load()?;
    let server = Server::new(GateService::new(Keeper))
        .tls(tls.clone())
        .listen("tls://127.0.0.1:0")
        .bind()
        .await?;
    let address = server.addresses()[0].to_string();
    tokio::spawn(server.run());

    let seven = visit(&address, &directory, "robot 7").await?;
    println!("robot 7: {}", seven.enter().await?);
    println!("robot 8: {}", visit(&address, &directory, "robot 8").await?.enter().await?);

    // By TLS 1.3 a client without a certificate learns at its first call that it is not let in.
    let nobody = ClientTls::from_ca_file(directory.join("ca.pem"))?;
    let nobody = GateClient::new(Client::builder(&address).tls(nobody).connect().await?);
    if let Err(error) = nobody.enter().await {
        println!("nobody: {error}");
    }

    // New certificates are for new connections; those that are open live on.
    authority.issue(&directory, "server", &["localhost", "127.0.0.1"])?;
    tls.reload()?;
    println!("robot 7, still there: {}", seven.enter().await?);
    println!("robot 7, again: {}", visit(&address, &directory, "robot 7").await?.enter().await?);

    // One that cannot be used changes nothing, and says why.
    fs::copy(directory.join("robot 7.key"), directory.join("server.key"))?;
    if let Err(error) = tls.reload() {
        println!("not taken: {error}");
    }
    println!("robot 7, again: {}", visit(&address, &directory, "robot 7").await?.enter().await?);

    fs::remove_dir_all(&directory)?;
    Ok(())
}
