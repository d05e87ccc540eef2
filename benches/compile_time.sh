#!/bin/sh
# Prints how long a service takes to compile: one method, and a hundred; checked, in debug and in release.
#
# The dependencies are built before the clock starts. Usage: benches/compile_time.sh [methods]
set -eu

methods=${1:-100}
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CARGO_TARGET_DIR="${COMPILE_TIME_TARGET_DIR:-$work/target}" CARGO_INCREMENTAL=0

# A crate "$1" whose service has "$2" methods of six kinds.
crate() {
    mkdir -p "$work/$1/src"
    cp "$root/Cargo.lock" "$work/$1/"
    cat > "$work/$1/Cargo.toml" <<EOF
[package]
name = "$1"
version = "0.0.0"
edition = "2024"
[dependencies]
msgrpc = { path = "$root" }
serde = { version = "1", features = ["derive"] }
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
[workspace]
EOF
    awk -v methods="$2" 'BEGIN {
        print "#[derive(serde::Serialize, serde::Deserialize)]\npub struct Point { x: f64, y: f64, name: String }"
        declared = "#[msgrpc::service]\npub trait Large {\n"
        defined = "struct It;\nimpl Large for It {\n"
        for (i = 0; i < methods; i++) {
            kind = i % 6
            if (kind == 0) { sig = "(&self, name: &str) -> String"; body = "format!(\"Hello, {name}!\")" }
            if (kind == 1) { sig = "(&self, a: i64, b: i64) -> i64"; body = "a + b" }
            if (kind == 2) { sig = "(&self, data: &[u8], from: Option<u32>) -> Vec<u8>"; body = "data[from.unwrap_or(0) as usize..].to_vec()" }
            if (kind == 3) { sig = "(&self, a: Point, b: &Point) -> Point"; body = "Point { x: a.x + b.x, ..a }" }
            if (kind == 4) { sig = "(&self, a: i64, b: i64) -> Result<i64, String>"; body = "a.checked_div(b).ok_or(String::new())" }
            if (kind == 5) { sig = "(&self, points: Vec<Point>) -> Option<f64>"; body = "points.first().map(|point| point.x)" }
            declared = declared "    async fn method_" i sig ";\n"
            defined = defined "    async fn method_" i sig " { " body " }\n"
        }
        print declared "}\n" defined "}"
        print "#[tokio::main]\nasync fn main() -> Result<(), Box<dyn std::error::Error>> {"
        print "    let server = msgrpc::Server::new(LargeService::new(It)).listen(\"tcp://127.0.0.1:0\").bind().await?;"
        print "    let large = LargeClient::connect(&server.addresses()[0].to_string()).await?;"
        print "    tokio::spawn(server.run());"
        for (i = 0; i < methods; i++) {
            kind = i % 6
            if (kind == 0) print "    large.method_" i "(\"world\").await?;"
            if (kind == 1) print "    large.method_" i "(1, 1).await?;"
            if (kind == 4) print "    large.method_" i "(1, 1).await.ok();"
            if (kind == 2) print "    large.method_" i "(b\"bytes\", None).await?;"
            if (kind == 3) print "    large.method_" i "(Point { x: 1.0, y: 1.0, name: String::new() }, &Point { x: 1.0, y: 1.0, name: String::new() }).await?;"
            if (kind == 5) print "    large.method_" i "(Vec::new()).await?;"
        }
        print "    Ok(())\n}"
    }' > "$work/$1/src/main.rs"
}

# Seconds that cargo takes for crate "$1" with the other arguments, its dependencies built before.
seconds() {
    name=$1
    shift
    (
        cd "$work/$name"
        cargo "$@" --quiet
        touch src/main.rs
        start=$(date +%s.%N)
        cargo "$@" --quiet
        end=$(date +%s.%N)
        awk -v start="$start" -v end="$end" 'BEGIN { printf "%.2f", end - start }'
    )
}

crate hello 1
crate large "$methods"
printf '%-14s %8s %8s %8s\n' "" check debug release
for name in hello large; do
    label="$methods methods"
    [ "$name" = hello ] && label="1 method"
    check=$(seconds "$name" check)
    debug=$(seconds "$name" build)
    release=$(seconds "$name" build --release)
    printf '%-14s %7ss %7ss %7ss\n' "$label" "$check" "$debug" "$release"
done
