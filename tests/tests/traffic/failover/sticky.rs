//! Sticky sessions: a client stays with its replica while that is there, whoever else comes and goes.

use super::{service, without};
use crate::{CLIENT, figures, run};
use anyhow::{Context, Result, ensure};
use mesh_tests::traffic::{Request, Traffic};
use std::{collections::BTreeMap, net::SocketAddr};

/// Sessions; each may be anywhere.
const SESSIONS: usize = 100;
const REPLICAS: usize = 5;
/// A ring keeps its size: when one of five goes, the others get more places on it, which takes some sessions from each other.
const RING_MOVES: usize = 40;

type Places = BTreeMap<String, String>;

/// The pod of each session, which two requests agree on.
async fn places(sessions: &BTreeMap<String, Request>, proxy: SocketAddr) -> Result<Places> {
    let mut places = Places::new();
    for (session, request) in sessions {
        let (first, second) = (request.send(proxy).await?, request.send(proxy).await?);
        ensure!(first.status == 200, "{}", first.summary());
        ensure!(first.pod() == second.pod(), "{session} is at {} and at {}", first.pod(), second.pod());
        places.insert(session.clone(), first.pod().to_owned());
    }
    Ok(places)
}

/// How many of those that need not move do, when `pod` goes.
fn moved(before: &Places, after: &Places, pod: &str) -> (usize, usize) {
    let staying = before.iter().filter(|(_, at)| *at != pod);
    let moved = staying.clone().filter(|(session, at)| after.get(*session) != Some(at)).count();
    (moved, staying.count())
}

/// Takes a replica away and brings it back; of the sessions elsewhere no more than `may_move` percent may move.
async fn held(
    traffic: &Traffic,
    name: &str,
    policy: &str,
    may_move: usize,
    session: impl Fn(usize) -> Result<Request>,
) -> Result<()> {
    let (outside, _) = service(traffic, name, REPLICAS, policy, "").await?;
    let all = outside.service_entry(name, &format!("{name}.test")) + &super::rules(name, policy, "");
    let proxy = traffic.proxy(CLIENT)?;
    let sessions = (0..SESSIONS)
        .map(|index| Ok((format!("session-{index}"), session(index)?)))
        .collect::<Result<_>>()?;
    let before = places(&sessions, proxy).await?;
    let used: std::collections::BTreeSet<_> = before.values().collect();
    ensure!(used.len() == REPLICAS, "{SESSIONS} sessions at {used:?}");

    let gone = outside.addresses().pop().context("an address")?.to_string();
    let pod = format!("v1-{}", REPLICAS - 1);
    traffic.apply(&format!("{name}.yaml"), &without(&all, &gone)).await?;
    let fewer = places(&sessions, proxy).await?;
    ensure!(fewer.values().all(|at| *at != pod), "somebody is at {pod}, which is gone");
    let (lost, staying) = moved(&before, &fewer, &pod);

    traffic.apply(&format!("{name}.yaml"), &all).await?;
    let again = places(&sessions, proxy).await?;
    let returned = before.iter().filter(|(session, at)| again.get(*session) == Some(at)).count();
    figures::tell(
        &format!("sticky-{name}"),
        &format!(
            "one of {REPLICAS} replicas gone: {lost} of the {staying} sessions elsewhere moved; after it had come back \
             {returned} of {SESSIONS} were where they had been"
        ),
    )?;
    ensure!(lost * 100 <= staying * may_move, "{lost} of {staying} moved for nothing");
    ensure!(returned == SESSIONS, "only {returned} of {SESSIONS} are where they were");
    Ok(())
}

#[test]
fn by_header() {
    run(async |traffic| {
        let policy = "{loadBalancer: {consistentHash: {httpHeaderName: x-user}}}";
        held(traffic, "by-header", policy, RING_MOVES, |index| {
            Request::get("http://by-header.test/")?.header("x-user", &format!("user-{index}"))
        })
        .await
    });
}

#[test]
fn by_header_with_maglev() {
    run(async |traffic| {
        let policy = "{loadBalancer: {consistentHash: {httpHeaderName: x-user, maglev: {}}}}";
        held(traffic, "by-maglev", policy, 5, |index| {
            Request::get("http://by-maglev.test/")?.header("x-user", &format!("user-{index}"))
        })
        .await
    });
}

#[test]
fn by_cookie() {
    run(async |traffic| {
        let policy = "{loadBalancer: {consistentHash: {httpCookie: {name: session, ttl: 0s}}}}";
        held(traffic, "by-cookie", policy, RING_MOVES, |index| {
            Request::get("http://by-cookie.test/")?.header("cookie", &format!("session=user-{index}"))
        })
        .await
    });
}

/// Proxies make a cookie for clients that bring none.
#[test]
fn by_a_cookie_that_the_proxy_makes() {
    run(async |traffic| {
        let policy = "{loadBalancer: {consistentHash: {httpCookie: {name: session, ttl: 60s}}}}";
        let (_outside, request) = service(traffic, "made-cookie", REPLICAS, policy, "").await?;
        let proxy = traffic.proxy(CLIENT)?;
        let mut sessions = BTreeMap::new();
        let mut made_at = Places::new();
        for index in 0..SESSIONS {
            let answer = request.send(proxy).await?;
            let made = answer.header("set-cookie").with_context(|| answer.summary())?;
            let cookie = made.split(';').next().unwrap_or(made).replace('"', "");
            let name = format!("session-{index}");
            made_at.insert(name.clone(), answer.pod().to_owned());
            sessions.insert(name, request.clone().header("cookie", &cookie)?);
        }
        let now = places(&sessions, proxy).await?;
        ensure!(
            now == made_at,
            "the cookie leads elsewhere than the request that it was made for: {made_at:?}, {now:?}"
        );
        Ok(())
    });
}

/// All requests here come from one address, and go to one replica: the same whenever the same replicas are there.
#[test]
fn by_source_address() {
    run(async |traffic| {
        let policy = "{loadBalancer: {consistentHash: {useSourceIp: true}}}";
        let (outside, request) = service(traffic, "by-source", REPLICAS, policy, "").await?;
        let all =
            outside.service_entry("by-source", "by-source.test") + &super::rules("by-source", policy, "");
        let proxy = traffic.proxy(CLIENT)?;
        let one = BTreeMap::from([("one".to_owned(), request)]);
        let at = places(&one, proxy).await?.remove("one").context("a place")?;
        for (index, address) in outside.addresses().into_iter().enumerate() {
            traffic.apply("by-source.yaml", &without(&all, &address.to_string())).await?;
            let now = places(&one, proxy).await?.remove("one").context("a place")?;
            ensure!(now != format!("v1-{index}"), "{now} is gone");
            traffic.apply("by-source.yaml", &all).await?;
            let again = places(&one, proxy).await?.remove("one").context("a place")?;
            ensure!(again == at, "it was at {at}, and is at {again} with the same replicas");
        }
        Ok(())
    });
}
