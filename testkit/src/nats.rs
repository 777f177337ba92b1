//! NATS servers: one, or several that form a cluster. They keep their ports across restarts.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::{
    port::free_port,
    process::{Failure, Program, command, installed},
    wait::{TIMEOUT, block_until},
};

/// Running NATS servers, each connected with every other. They end with this.
#[derive(Debug)]
pub struct Nats {
    servers: Vec<Server>,
}

#[derive(Debug)]
struct Server {
    command: Command,
    clients: SocketAddr,
    monitoring: SocketAddr,
    program: Option<Program>,
}

impl Nats {
    /// Starts one server.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one server with additional options.
    pub fn start_with(options: &[&str]) -> Self {
        Self::launch(vec![Server::new(options)])
    }

    /// Starts a cluster of servers.
    pub fn start_cluster(servers: usize) -> Self {
        let ports: Vec<u16> = (0..servers).map(|_| free_port()).collect();
        let routes = ports
            .iter()
            .map(|port| format!("nats://127.0.0.1:{port}"))
            .collect::<Vec<_>>();
        let servers = routes.iter().map(|own| {
            // Clients must know only the servers that they were given, so they can be cut off from them.
            let options = ["--cluster_name=testkit", "--no_advertise"];
            let mut server = Server::new(&options);
            let others: Vec<&str> = routes
                .iter()
                .filter(|route| *route != own)
                .map(String::as_str)
                .collect();
            server
                .command
                .args(["--cluster", own, "--routes", &others.join(",")]);
            server
        });
        Self::launch(servers.collect())
    }

    fn launch(servers: Vec<Server>) -> Self {
        let mut nats = Self { servers };
        nats.start_again();
        nats
    }

    /// Starts the servers that do not run, and blocks until each is connected with every other one.
    pub fn start_again(&mut self) {
        for server in &mut self.servers {
            if server.program.is_none() {
                server.program = Some(Program::start("nats-server", &mut server.command));
            }
        }
        let others = self.servers.len() - 1;
        for server in &mut self.servers {
            let is_connected = block_until(|| {
                let program = server.program.as_mut().expect("it runs");
                program.check_running().expect("a NATS server");
                server.accepts_clients() && server.routes().is_ok_and(|routes| routes >= others)
            });
            assert!(is_connected, "the NATS servers are not one cluster");
        }
    }

    /// Returns the address for clients of each server.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.clients).collect()
    }

    /// Returns the URL of the first server.
    pub fn url(&self) -> String {
        self.url_as("")
    }

    /// Returns the URL of the first server with `user` before the host, as user information.
    pub fn url_as(&self, user: &str) -> String {
        format!("nats://{user}{}", self.servers[0].clients)
    }

    /// Kills all servers that run.
    pub fn kill(&mut self) {
        for number in 0..self.servers.len() {
            self.kill_one(number);
        }
    }

    /// Kills a server if it runs.
    pub fn kill_one(&mut self, number: usize) {
        if let Some(mut program) = self.servers[number].program.take() {
            program.kill();
        }
    }

    /// Stops all processes: connections stay open, but no server answers.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Continues the stopped processes.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        for program in self.programs() {
            program.signal(signal);
        }
    }

    /// Returns the CPU time of all servers.
    pub fn cpu(&self) -> Result<Duration, Failure> {
        self.programs().map(Program::cpu).sum()
    }

    fn programs(&self) -> impl Iterator<Item = &Program> {
        self.servers
            .iter()
            .filter_map(|server| server.program.as_ref())
    }
}

impl Server {
    fn new(options: &[&str]) -> Self {
        let [clients, monitoring] =
            [free_port(), free_port()].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut command = command(installed("nats-server"));
        command
            .args(["--addr", "127.0.0.1"])
            .args(["--port", &clients.port().to_string()])
            .args(["-m", &monitoring.port().to_string()])
            .args(options);
        Self {
            command,
            clients,
            monitoring,
            program: None,
        }
    }

    /// Returns true if the server greets clients.
    fn accepts_clients(&self) -> bool {
        let mut greeting = [0; 4];
        let greet = |mut connection: TcpStream| connection.read_exact(&mut greeting);
        TcpStream::connect(self.clients).and_then(greet).is_ok() && &greeting == b"INFO"
    }

    /// Returns the number of its connections with other servers.
    fn routes(&self) -> io::Result<usize> {
        let mut connection = TcpStream::connect(self.monitoring)?;
        connection.set_read_timeout(Some(TIMEOUT))?;
        connection.write_all(b"GET /routez HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let routes: serde_json::Value = serde_json::from_str(body)?;
        let number = routes["num_routes"].as_u64().unwrap_or_default();
        Ok(usize::try_from(number).unwrap_or_default())
    }
}
