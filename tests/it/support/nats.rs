//! A NATS server of one test. It ends with the test, and with the pipe to the test's process if that is
//! killed.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

/// A shell script that runs the server and watches a pipe. It obeys each line and answers when it is done.
const WATCH: &str = r#"
PATH=$PATH:/usr/sbin:/usr/local/sbin
folder=$(mktemp -d)
options=$2
start() { nats-server -a 127.0.0.1 -p "$1" $options --ports_file_dir "$folder" >"$folder/log" 2>&1 & pid=$!; }
start "$1"
while ! grep -qs nats "$folder/nats-server_$pid.ports"; do
    kill -0 "$pid" || { cat "$folder/log" >&2; exit 1; }
    sleep 0.01
done
tr -d '\n ' <"$folder/nats-server_$pid.ports"; echo
while read -r order port; do
    case $order in
        start) start "$port" ;;
        *) kill "-$order" "$pid"; [ "$order" != KILL ] || wait "$pid" 2>/dev/null ;;
    esac
    echo done
done
kill -KILL "$pid" 2>/dev/null; rm -rf "$folder"
"#;

/// The running server.
pub(crate) struct Nats {
    shell: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    port: u16,
}

impl Nats {
    /// Starts a server on a free port.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// Starts a server with additional options.
    pub(crate) fn start_with(options: &str) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", WATCH, "watch", &free_port().to_string(), options])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let orders = shell.stdin.take();
        let mut answers = BufReader::new(shell.stdout.take().expect("a pipe"));
        let mut ports = String::new();
        answers.read_line(&mut ports).expect("a line");
        let ports: serde_json::Value = serde_json::from_str(&ports)
            .unwrap_or_else(|_| panic!("no nats-server: ./scripts/test installs it; {ports}"));
        let url = ports["nats"][0].as_str().expect("a URL");
        let (_, port) = url.rsplit_once(':').expect("a port");
        Self {
            shell,
            orders,
            answers,
            port: port.parse().expect("a number"),
        }
    }

    /// Returns the server's URL.
    pub(crate) fn url(&self) -> String {
        self.url_as("")
    }

    /// Returns the server's URL with `who` before the host, as user information.
    pub(crate) fn url_as(&self, who: &str) -> String {
        format!("nats://{who}127.0.0.1:{}", self.port)
    }

    /// Kills the server.
    pub(crate) fn kill(&mut self) {
        self.order("KILL");
    }

    /// Stops the process: connections stay open, but the server does not answer.
    pub(crate) fn freeze(&mut self) {
        self.order("STOP");
    }

    /// Continues the stopped process.
    pub(crate) fn thaw(&mut self) {
        self.order("CONT");
    }

    /// Starts the server again on the same port.
    pub(crate) fn start_again(&mut self) {
        self.order(&format!("start {}", self.port));
    }

    fn order(&mut self, order: &str) {
        writeln!(self.orders.as_mut().expect("a pipe"), "{order}").expect("sent");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("an answer");
        assert_eq!(answer, "done\n");
    }
}

/// Returns a free port below the system's range of ephemeral ports, so no connection takes it while the
/// server is down.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).expect("a small number");
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.orders.take();
        // The shell ends with its pipe, and the server with the shell.
        let _ = self.shell.wait();
    }
}
