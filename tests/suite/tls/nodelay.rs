//! The connection to PostgreSQL sets TCP_NODELAY: over TLS a batch is several segments, and with Nagle's algorithm each
//! batch would wait for a delayed acknowledgement, 40 ms and more.

use std::net::SocketAddr;

use rustix::net::sockopt::tcp_nodelay;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::{Authority, Server, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_to_postgresql_does_not_wait_for_acknowledgements() {
    let server = Server::start(&Authority::new("a test's authority")).await;
    let (store, port) = (
        open(&server.url("localhost", "sslmode=require")).await.unwrap(),
        server.port,
    );
    let own = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let mut found = 0;
    for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
        let number: i32 = entry.unwrap().file_name().to_str().unwrap().parse().unwrap();
        // a file open while the directory was read may be closed by now
        let Ok(file) = pidfd_getfd(&own, number, PidfdGetfdFlags::empty()) else {
            continue;
        };
        let peer = rustix::net::getpeername(&file).ok().flatten();
        let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
        if peer.is_some_and(|peer| peer.port() == port) {
            assert!(tcp_nodelay(&file).unwrap(), "a connection to port {port} waits");
            found += 1;
        }
    }
    assert!(found > 0, "no connection to port {port} was found");
    store.close().await;
}
