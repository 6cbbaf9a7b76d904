//! Who may do what on the bus, as a real server enforces it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kit::{Bus, BusError, Health, Login, Password, Secret};
use wire::bus::subject;
use wire::bus::users::{self, USERS};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn password(user: &str) -> String {
    format!("password-of-{user}")
}

/// A server with the users of the table; ended with the test.
struct Nats {
    child: Child,
    url: String,
    folder: PathBuf,
}

impl Nats {
    fn start(users: &str) -> Self {
        let port = ports::free().unwrap();
        let folder = std::env::temp_dir().join(format!("kit-bus-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let conf = folder.join("nats.conf");
        std::fs::write(&conf, format!("listen: \"127.0.0.1:{port}\"\n{users}")).unwrap();
        let child = Command::new("nats-server")
            .arg("-c")
            .arg(&conf)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server is installed");
        Self { child, url: format!("nats://127.0.0.1:{port}"), folder }
    }

    async fn as_user(&self, user: &str) -> Bus {
        let login = Login { user: user.to_owned(), password: Password::Text(Secret::new(password(user))) };
        let bus = Bus::connect_as(Some(login), &self.url, user, &Health::default()).await.unwrap();
        until(user, || bus.is_connected()).await;
        bus
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

async fn until(what: &str, met: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !met() {
        assert!(Instant::now() < end, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn all_users() -> String {
    users::authorization(|user| users::Password::Text(password(user)), None)
}

#[tokio::test]
async fn a_stolen_gateway_credential_can_ask_and_cannot_write_or_overhear() {
    let nats = Nats::start(&all_users());
    let (gateway, ledger, mesh) =
        (nats.as_user("edge-gateway").await, nats.as_user("ledger").await, nats.as_user("mesh").await);
    let mut asked = ledger.serve(subject::LEDGER_QUERY, subject::LEDGER_GROUP).await.unwrap();
    let mut applied = ledger.serve(subject::LEDGER_APPLY, subject::LEDGER_GROUP).await.unwrap();
    let mut committed = mesh.subscribe(subject::EVENTS_COMMITTED).await.unwrap();
    // Answers to the mesh, which the thief would like to hear.
    let mut overheard = gateway.subscribe("_INBOX_mesh.>").await.unwrap();
    let mut stolen = gateway.serve(subject::LEDGER_QUERY, subject::LEDGER_GROUP).await.unwrap();
    for bus in [&gateway, &ledger, &mesh] {
        bus.flush().await;
    }
    let serving = tokio::spawn(async move {
        while let Some(m) = asked.next().await {
            m.reply(b"answer".to_vec()).await;
        }
    });
    let begun = Instant::now();
    while gateway.request(subject::LEDGER_QUERY, Vec::new(), PATIENCE).await != Ok("answer".into()) {
        assert!(begun.elapsed() < PATIENCE, "the ledger serves");
    }
    // It may ask what it is there to ask, and so may the mesh; each hears its own answer.
    for bus in [&gateway, &mesh] {
        for _ in 0..10 {
            let answer = bus.request(subject::LEDGER_QUERY, Vec::new(), PATIENCE).await.unwrap();
            assert_eq!(&answer[..], b"answer");
        }
    }
    // It may not have events applied: an error of its own, at once.
    for forbidden in [subject::LEDGER_APPLY, subject::LEDGER_FETCH] {
        let begun = Instant::now();
        let refused = gateway.request(forbidden, Vec::new(), PATIENCE).await.unwrap_err();
        assert_eq!(refused, BusError::Denied(forbidden));
        assert!(begun.elapsed() < PATIENCE / 2, "not a time-out");
    }
    // Nor pose as the ledger. What the ledger itself says after it arrives, and the forged one did not.
    gateway.publish(subject::EVENTS_COMMITTED, b"forged".to_vec()).await.unwrap();
    gateway.flush().await;
    ledger.publish(subject::EVENTS_COMMITTED, b"true".to_vec()).await.unwrap();
    let heard = tokio::time::timeout(PATIENCE, committed.next()).await.unwrap().unwrap();
    assert_eq!(&heard.payload[..], b"true");
    // The mesh may have events applied.
    let asking = tokio::spawn(async move { mesh.request(subject::LEDGER_APPLY, Vec::new(), PATIENCE).await });
    tokio::time::timeout(PATIENCE, applied.next()).await.unwrap().unwrap().reply(b"taken".to_vec()).await;
    assert_eq!(&asking.await.unwrap().unwrap()[..], b"taken");
    assert!(overheard.try_next().is_none(), "answers to others are not heard");
    assert!(stolen.try_next().is_none(), "questions to the ledger are not taken away from it");
    serving.abort();
}

#[tokio::test]
async fn the_observer_hears_and_says_nothing() {
    let nats = Nats::start(&all_users());
    let (observer, mesh) = (nats.as_user("observer").await, nats.as_user("mesh").await);
    let mut states = observer.subscribe(subject::MESH_STATE).await.unwrap();
    // Said until it is heard: nobody knows when a subscription counts.
    let heard = async {
        loop {
            mesh.publish(subject::MESH_STATE, b"well".to_vec()).await.unwrap();
            if let Ok(m) = tokio::time::timeout(Duration::from_millis(50), states.next()).await {
                return m.unwrap();
            }
        }
    };
    assert_eq!(&tokio::time::timeout(PATIENCE, heard).await.unwrap().payload[..], b"well");
    let refused = observer.request(subject::MESH_QUERY, Vec::new(), PATIENCE).await.unwrap_err();
    assert_eq!(refused, BusError::Denied(subject::MESH_QUERY));
}

#[tokio::test]
async fn nobody_comes_in_without_a_password_or_with_a_wrong_one() {
    let nats = Nats::start(&all_users());
    // The server is there.
    drop(nats.as_user("sync").await);
    let url_with =
        |user: &str, password: &str| nats.url.replace("nats://", &format!("nats://{user}:{password}@"));
    let health = Health::default();
    let strangers = [
        Bus::connect(&nats.url, "nobody", &health).await.unwrap(),
        Bus::connect(&url_with("ledger", "guess"), "guess", &health).await.unwrap(),
        Bus::connect(&url_with("root", &password("ledger")), "root", &health).await.unwrap(),
    ];
    let welcome = Bus::connect(&url_with("ledger", &password("ledger")), "ledger", &health).await.unwrap();
    until("user and password of the URL", || welcome.is_connected()).await;
    for stranger in &strangers {
        assert!(!stranger.is_connected());
        assert_eq!(
            stranger.request(subject::LEDGER_QUERY, Vec::new(), PATIENCE).await.unwrap_err(),
            BusError::Disconnected
        );
    }
}

#[tokio::test]
async fn a_password_may_be_exchanged_without_a_restart() {
    let nats = Nats::start(&all_users());
    let file = nats.folder.join("password");
    std::fs::write(&file, "an old one\n").unwrap();
    let login = Login { user: "sync".to_owned(), password: Password::File(file.clone()) };
    let bus = Bus::connect_as(Some(login), &nats.url, "sync", &Health::default()).await.unwrap();
    drop(nats.as_user("ledger").await);
    assert!(!bus.is_connected());
    std::fs::write(&file, password("sync")).unwrap();
    until("the new password counts", || bus.is_connected()).await;
}

#[test]
fn the_sites_configuration_is_one_the_server_takes() {
    let folder = std::env::temp_dir().join(format!("kit-bus-conf-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("conf")).unwrap();
    std::fs::write(folder.join("passwords.conf"), users::passwords(password)).unwrap();
    let conf = folder.join("conf/nats.conf");
    std::fs::write(&conf, users::site_conf("../passwords.conf")).unwrap();
    let tested = Command::new("nats-server").arg("-t").arg("-c").arg(&conf).output().unwrap();
    let said = String::from_utf8_lossy(&tested.stderr).into_owned();
    assert!(tested.status.success(), "{said}");
    // A password that is missing is no password: the server refuses to start.
    let lacking: String = users::passwords(password).lines().skip(1).map(|l| format!("{l}\n")).collect();
    std::fs::write(folder.join("passwords.conf"), lacking).unwrap();
    let tested = Command::new("nats-server").arg("-t").arg("-c").arg(&conf).output().unwrap();
    assert!(!tested.status.success(), "{} is without a password", USERS[0].name);
    std::fs::remove_dir_all(&folder).unwrap();
}
