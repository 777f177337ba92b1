//! NATS servers that form one cluster, as processes.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use nix::sys::signal::Signal;
use serde::Deserialize;

use super::{
    program::{Program, command, find, path},
    waiting::wait_until,
};

/// The number of servers.
const SERVERS: usize = 3;

/// The servers, each connected with every other.
pub(crate) struct Nats {
    servers: Vec<Server>,
    folder: PathBuf,
}

struct Server {
    ports: Ports,
    program: Option<Program>,
}

/// The addresses of a server: for clients, for other servers, and for monitoring.
#[derive(Clone, Copy)]
struct Ports {
    clients: SocketAddr,
    servers: SocketAddr,
    monitoring: SocketAddr,
}

impl Nats {
    /// Starts the servers on free ports.
    pub(crate) async fn start(folder: &Path) -> Self {
        let mut nats = Self {
            servers: Vec::new(),
            folder: folder.to_owned(),
        };
        for number in 0..SERVERS {
            let program = nats.spawn(number, None);
            let ports = ports(&program, folder).await;
            nats.servers.push(Server {
                ports,
                program: Some(program),
            });
        }
        nats.wait_until_connected().await;
        nats
    }

    /// Returns the address for clients of each server.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let servers = self.servers.iter();
        servers.map(|server| server.ports.clients).collect()
    }

    /// Kills one server.
    pub(crate) fn kill(&mut self, number: usize) {
        let program = self.servers[number].program.take();
        program.expect("it runs").kill();
    }

    /// Kills all servers.
    pub(crate) fn kill_all(&mut self) {
        for number in 0..SERVERS {
            self.kill(number);
        }
    }

    /// Starts the killed servers again on the same ports.
    pub(crate) async fn start_again(&mut self) {
        for number in 0..SERVERS {
            if self.servers[number].program.is_none() {
                let program = self.spawn(number, Some(self.servers[number].ports));
                self.servers[number].program = Some(program);
            }
        }
        self.wait_until_connected().await;
    }

    /// Stops all processes: connections stay open, but no server answers.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Continues the stopped processes.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        for server in &self.servers {
            server.program.as_ref().expect("it runs").signal(signal);
        }
    }

    /// Starts a server on these ports, or else on free ones. It connects to the servers that already run.
    fn spawn(&self, number: usize, ports: Option<Ports>) -> Program {
        let port = |address: fn(&Ports) -> SocketAddr| {
            ports.map_or_else(
                || "-1".to_owned(),
                |ports| address(&ports).port().to_string(),
            )
        };
        let mut routes = Vec::new();
        for (other, server) in self.servers.iter().enumerate() {
            if other != number {
                routes.push(format!("nats://{}", server.ports.servers));
            }
        }
        let mut server = command(find("nats-server", &path()));
        server
            .args(["--addr", "127.0.0.1", "--cluster_name", "causerie"])
            .args(["--port", &port(|ports| ports.clients)])
            .args(["-m", &port(|ports| ports.monitoring)])
            .arg("--cluster")
            .arg(format!("nats://127.0.0.1:{}", port(|ports| ports.servers)))
            // Clients must know only the servers that they were given, so they can be cut off from them.
            .arg("--no_advertise")
            .arg("--ports_file_dir")
            .arg(&self.folder);
        if !routes.is_empty() {
            server.args(["--routes", &routes.join(",")]);
        }
        Program::start(&format!("nats-{number}"), &self.folder, &mut server)
    }

    /// Waits until each server is connected with every other one.
    async fn wait_until_connected(&self) {
        let http = reqwest::Client::new();
        wait_until("the NATS servers are one cluster", || async {
            for server in &self.servers {
                let url = format!("http://{}/routez", server.ports.monitoring);
                let answer = http
                    .get(url)
                    .send()
                    .await
                    .map_err(|error| error.to_string())?;
                let routes: serde_json::Value =
                    answer.json().await.map_err(|error| error.to_string())?;
                let number = routes["num_routes"].as_u64().unwrap_or_default();
                if number < SERVERS as u64 - 1 {
                    return Err(format!("{number} routes"));
                }
            }
            Ok(())
        })
        .await;
    }
}

/// The file that a server writes once it has found its ports.
#[derive(Deserialize)]
struct PortsFile {
    nats: Vec<String>,
    cluster: Vec<String>,
    monitoring: Vec<String>,
}

async fn ports(program: &Program, folder: &Path) -> Ports {
    let path = folder.join(format!("nats-server_{}.ports", program.id()));
    let mut found = None;
    wait_until("a NATS server listens", || {
        // The file may exist before its text is written.
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let file = serde_json::from_str::<PortsFile>(&text);
        let result = file.map(|file| found = Some(file));
        std::future::ready(result)
    })
    .await;
    let file = found.expect("its ports");
    let address = |urls: &[String]| {
        let (_, address) = urls[0].split_once("://").expect("a URL");
        address.parse().expect("an address")
    };
    Ports {
        clients: address(&file.nats),
        servers: address(&file.cluster),
        monitoring: address(&file.monitoring),
    }
}
