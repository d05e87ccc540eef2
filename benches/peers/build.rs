//! Generates the service of the peer `tonic`, without its compiler for `.proto` files.

fn main() {
    #[cfg(feature = "tonic")]
    {
        let method = |name: &str, route: &str, message: &str| {
            tonic_build::manual::Method::builder()
                .name(name)
                .route_name(route)
                .input_type(message)
                .output_type(message)
                .codec_path("tonic_prost::ProstCodec")
                .build()
        };
        let service = tonic_build::manual::Service::builder()
            .name("Echo")
            .package("bench")
            .method(method("echo", "Echo", "crate::peers::tonic::Text"))
            .method(method("echo_bytes", "EchoBytes", "crate::peers::tonic::Octets"))
            .build();
        tonic_build::manual::Builder::new().compile(&[service]);
    }
}
