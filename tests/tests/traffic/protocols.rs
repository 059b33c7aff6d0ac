//! Services of the mesh, through two sidecars: every protocol, by every name.

use crate::{CLIENT, run};
use anyhow::{Context, Result, ensure};
use mesh_tests::traffic::{Answer, Outside, Request, Traffic};
use std::collections::{BTreeMap, BTreeSet};

/// Asks until both versions have answered, so that it is known that both do.
async fn both(traffic: &Traffic, request: &Request) -> Result<Vec<Answer>> {
    let proxy = traffic.proxy(CLIENT)?;
    let mut answers = Vec::new();
    // Of 60 picks between two, one is missed once in 2^59.
    for _ in 0..60 {
        let answer = request.send(proxy).await?;
        ensure!(answer.status == 200, "{}", answer.summary());
        answers.push(answer);
    }
    let versions: BTreeSet<&str> = answers.iter().map(Answer::version).collect();
    ensure!(versions == BTreeSet::from(["v1", "v2"]), "answered by {versions:?}");
    Ok(answers)
}

fn protocol(answer: &Answer) -> &str {
    answer.echo.as_ref().map_or("", |echo| &echo.protocol)
}

#[test]
fn http_by_every_name() {
    run(async |traffic| {
        let vip = {
            let mesh = traffic.pilot().mesh().borrow().clone();
            let host = mesh_model::Host::new("app.traffic.svc.cluster.local");
            let service = mesh.services_of_host(&host).into_iter().next().context("the service")?.clone();
            match service.vips.first() {
                Some(mesh_model::Vip::Ip(address)) => address.to_string(),
                other => anyhow::bail!("an address for the service, not {other:?}"),
            }
        };
        let names = ["app", "app.traffic", "app.traffic.svc", "app.traffic.svc.cluster.local", &vip];
        for name in names {
            for port in ["", ":80"] {
                let request = Request::get(&format!("http://{name}{port}/"))?;
                let answers = both(traffic, &request).await.with_context(|| format!("{name}{port}"))?;
                let protocols: BTreeSet<&str> = answers.iter().map(protocol).collect();
                ensure!(protocols == BTreeSet::from(["HTTP/1.1"]), "{name}: {protocols:?}");
            }
        }
        Ok(())
    });
}

#[test]
fn a_port_named_http2_gets_http2_from_clients_of_either_version() {
    run(async |traffic| {
        let request = Request::get("http://app:81/")?;
        for request in [request.clone(), request.http2()] {
            let answers = both(traffic, &request).await?;
            ensure!(answers.iter().all(|answer| protocol(answer) == "HTTP/2"), "{}", answers[0].summary());
        }
        Ok(())
    });
}

#[test]
fn grpc() {
    run(async |traffic| {
        let proxy = traffic.proxy(CLIENT)?;
        let call = Request::grpc("http://app:82/echo.Echo/Say", b"hello")?;
        let answer = call.send(proxy).await?;
        ensure!(answer.status == 200 && answer.header("grpc-status") == Some("0"), "{}", answer.summary());
        ensure!(answer.body.ends_with(b"hello"), "{}", answer.summary());
        // What the workload says is handed on.
        let answer = call.header("x-echo-status", "5")?.send(proxy).await?;
        ensure!(answer.status == 200 && answer.header("grpc-status") == Some("5"), "{}", answer.summary());
        Ok(())
    });
}

#[test]
fn a_sidecar_answers_grpc_in_its_own_words() {
    run(async |traffic| {
        let answer = Request::grpc("http://app:82/echo.Echo/Say", b"")?;
        // Told to fail, the workload says UNAVAILABLE, which is tried again and then handed on.
        let answer = answer.header("x-echo-status", "14")?.send(traffic.proxy(CLIENT)?).await?;
        ensure!(answer.header("grpc-status") == Some("14"), "{}", answer.summary());
        Ok(())
    });
}

#[test]
fn what_browsers_send_goes_on_as_grpc() {
    run(async |traffic| {
        let proxy = traffic.proxy(CLIENT)?;
        let message = [&[0, 0, 0, 0, 5][..], b"hello"].concat();
        let call = Request::get("http://app:83/echo.Echo/Say")?.method("POST")?.body(message);
        let answer = call.header("content-type", "application/grpc-web+proto")?.send(proxy).await?;
        ensure!(answer.status == 200, "{}", answer.summary());
        let kind = answer.header("content-type").unwrap_or_default();
        ensure!(kind == "application/grpc-web+proto", "{}", answer.summary());
        // Browsers see no trailers: these are the last frame.
        let body = String::from_utf8_lossy(&answer.body);
        ensure!(body.contains("hello") && body.contains("grpc-status:0"), "{body:?}");
        // Others speak gRPC there, and over HTTP/2 to the last.
        let call = Request::grpc("http://app:83/echo.Echo/Say", b"hello")?;
        let answer = call.send(proxy).await?;
        ensure!(answer.status == 200 && answer.header("grpc-status") == Some("0"), "{}", answer.summary());
        Ok(())
    });
}

#[test]
fn tcp() {
    run(async |traffic| {
        let report = traffic.call(CLIENT, "tcp://app:9000", 60, 4).await?;
        ensure!(report.errors.is_empty() && report.answered_by.len() == 2, "{report:#?}");
        Ok(())
    });
}

#[test]
fn a_port_that_says_nothing_takes_http_and_bytes() {
    run(async |traffic| {
        let report = traffic.call(CLIENT, "tcp://app:9001", 60, 4).await?;
        ensure!(report.errors.is_empty() && report.answered_by.len() == 2, "{report:#?}");
        both(traffic, &Request::get("http://app:9001/")?).await?;
        let answers = both(traffic, &Request::get("http://app:9001/")?.http2()).await?;
        ensure!(answers.iter().all(|answer| protocol(answer) == "HTTP/2"), "{}", answers[0].summary());
        Ok(())
    });
}

#[test]
fn headless() {
    run(async |traffic| {
        both(traffic, &Request::get("http://app-headless:8080/")?).await?;
        let pod = Request::get("http://app-v1-0.app-headless.traffic.svc.cluster.local:8080/")?;
        let answer = pod.send(traffic.proxy(CLIENT)?).await?;
        ensure!(answer.status == 200, "{}", answer.summary());
        Ok(())
    });
}

#[test]
fn requests_and_answers_keep_their_bodies() {
    run(async |traffic| {
        let proxy = traffic.proxy(CLIENT)?;
        let body = "x".repeat(3 << 20);
        let request = Request::get("http://app/?size=3145728")?.method("POST")?.body(body);
        let answer = request.send(proxy).await?;
        let echo = answer.echo.as_ref().context("an echo")?;
        let seen = echo.request.as_ref().map_or(0, |seen| seen.body_bytes);
        ensure!(
            seen == 3 << 20 && echo.payload.len() == 3 << 20,
            "{seen} there, {} back",
            echo.payload.len()
        );
        Ok(())
    });
}

/// A ServiceEntry says what is spoken, and the name of its port does not.
#[test]
fn an_entry_says_what_is_spoken() {
    run(async |traffic| {
        let outside = Outside::start("spoken", &BTreeMap::from([("v1".to_owned(), 1)])).await?;
        let entry = outside.service_entry("spoken", "spoken.test");
        let entry = entry.replace("name: http, protocol: HTTP,", "name: web, protocol: HTTP2,");
        traffic.apply("spoken.yaml", &entry).await?;
        let answer = Request::get("http://spoken.test/")?.send(traffic.proxy(CLIENT)?).await?;
        ensure!(protocol(&answer) == "HTTP/2", "{}", answer.summary());
        Ok(())
    });
}
