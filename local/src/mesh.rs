//! Makes what runs equal to what is wanted.
//!
//! In: the workloads of the newest mesh. Out: an echo workload and an Envoy for each that Meltemi is to run; replicas that
//! are no longer wanted are stopped, changed ones are started anew, and only the half that changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use futures::future::join_all;
use mesh_model::{Mesh, NamespacedName};

use crate::{
    directory::{Directory, Member, Port},
    echo::{self, EchoHandle, EchoSpec},
    envoy::{EnvoyError, EnvoySettings, Sidecar, SidecarSpec, Spawner},
    readiness::{Readiness, ReadinessSpec},
};

/// The running replicas. Dropping it kills them; [`LocalMesh::stop`] ends them in good order.
#[derive(Debug)]
pub struct LocalMesh {
    settings: Arc<EnvoySettings>,
    spawner: Spawner,
    directory: Directory,
    replicas: BTreeMap<NamespacedName, Replica>,
}

#[derive(Debug)]
struct Replica {
    echo_spec: EchoSpec,
    /// Why it does not run, if so: it is tried again at the next change.
    echo: Result<EchoHandle, String>,
    sidecar_spec: SidecarSpec,
    sidecar: Sidecar,
    readiness: Readiness,
}

/// What a replica is made of.
#[derive(Debug)]
struct Wanted {
    echo: EchoSpec,
    sidecar: SidecarSpec,
    readiness: ReadinessSpec,
}

impl LocalMesh {
    /// A mesh without workloads yet, which will show what it runs in `directory`. Call it within a tokio runtime.
    ///
    /// # Errors
    /// When the Envoy binary can't be run, or the run directory can't be written.
    pub fn new(settings: EnvoySettings, directory: Directory) -> Result<Self, EnvoyError> {
        let EnvoySettings { binary, xds: _, agents: _, run_directory, cluster_id: _, domain: _ } = &settings;
        let run = |source| EnvoyError::Run { binary: binary.clone(), source };
        if !std::fs::metadata(binary).map_err(run)?.is_file() {
            return Err(run(io::Error::other("it is not a file")));
        }
        std::fs::create_dir_all(run_directory)
            .map_err(|source| EnvoyError::Write { path: run_directory.clone(), source })?;
        let spawner = Spawner::start().map_err(EnvoyError::Thread)?;
        Ok(Self { settings: Arc::new(settings), spawner, directory, replicas: BTreeMap::new() })
    }

    /// The echo workload of a pod, to make it fail.
    pub fn echo(&self, pod: &NamespacedName) -> Option<&EchoHandle> {
        self.replicas.get(pod)?.echo.as_ref().ok()
    }

    /// Starts, stops and starts anew, until what runs is what the workloads of `mesh` want. Those that Meltemi does not run itself
    /// are passed over.
    pub async fn apply(&mut self, mesh: &Mesh) {
        let wanted: BTreeMap<&NamespacedName, Wanted> = mesh
            .workloads()
            .filter_map(|workload| {
                let (echo, sidecar) = (EchoSpec::of(workload)?, SidecarSpec::of(mesh, workload)?);
                let wanted = Wanted { echo, sidecar, readiness: ReadinessSpec::of(workload)? };
                Some((&workload.object.name, wanted))
            })
            .collect();
        // Before anything starts: an address may pass from one replica to another.
        let unwanted: BTreeSet<NamespacedName> =
            self.replicas.keys().filter(|name| !wanted.contains_key(name)).cloned().collect();
        join_all(unwanted.iter().filter_map(|name| self.take(name)).map(Replica::stop)).await;
        for (name, wanted) in wanted {
            self.apply_one(name.clone(), wanted).await;
        }
    }

    /// Ends all replicas.
    pub async fn stop(mut self) {
        let names: Vec<_> = self.replicas.keys().cloned().collect();
        join_all(names.iter().filter_map(|name| self.take(name)).map(Replica::stop)).await;
    }

    fn take(&mut self, name: &NamespacedName) -> Option<Replica> {
        self.directory.remove(name);
        self.replicas.remove(name)
    }

    async fn apply_one(&mut self, name: NamespacedName, wanted: Wanted) {
        let Wanted { echo: echo_spec, sidecar: sidecar_spec, readiness: readiness_spec } = wanted;
        let (mut echo, mut sidecar, mut readiness) = (None, None, None);
        if let Some(old) = self.replicas.remove(&name) {
            let same_echo = old.echo_spec == echo_spec && old.echo.is_ok();
            let same_sidecar = old.sidecar_spec == sidecar_spec;
            let same_readiness = *old.readiness.spec() == readiness_spec;
            if same_echo && same_sidecar && same_readiness {
                self.replicas.insert(name, old);
                return;
            }
            // What goes on running, and is asked in the same way or has more ports now, is no less ready than before.
            let same_probes = old.readiness.spec().probes == readiness_spec.probes;
            match same_sidecar && (same_readiness || same_probes) {
                true => readiness = Some(old.readiness),
                // First, so that nobody sends requests to what is about to end.
                false => drop(old.readiness),
            }
            match old.echo {
                Ok(handle) if same_echo => echo = Some(Ok(handle)),
                // Other ports are no reason to lose what is under way on those that stay.
                Ok(mut handle) if old.echo_spec.is_same_replica(&echo_spec) => {
                    let changed = handle.set_ports(&echo_spec.ports).await;
                    echo = Some(changed.map(|()| handle).map_err(|error| error.to_string()));
                }
                Ok(handle) => handle.stop().await,
                Err(_) => {}
            }
            if same_sidecar {
                sidecar = Some(old.sidecar);
            } else {
                old.sidecar.stop().await;
            }
        }
        let echo = match echo {
            Some(running) => running,
            None => echo::start(echo_spec.clone()).await.map_err(|error| error.to_string()),
        };
        let sidecar = sidecar.unwrap_or_else(|| {
            let changes = self.directory.change_counter();
            Sidecar::start(sidecar_spec.clone(), self.settings.clone(), self.spawner.clone(), changes)
        });
        let readiness = readiness.unwrap_or_else(|| {
            let (state, ready) = (sidecar.state(), self.directory.ready().clone());
            Readiness::start(readiness_spec, name.clone(), state, ready)
        });
        let replica = Replica { echo_spec, echo, sidecar_spec, sidecar, readiness };
        self.directory.put(name.clone(), replica.member());
        self.replicas.insert(name, replica);
    }
}

impl Replica {
    fn member(&self) -> Member {
        let Self { echo_spec, echo, sidecar_spec, sidecar, readiness: _ } = self;
        Member {
            identity: echo_spec.identity.clone(),
            pod_address: echo_spec.pod_address,
            application: echo_spec.application,
            ports: echo_spec.ports.iter().map(Port::from).collect(),
            admin: sidecar_spec.admin(),
            sidecar: sidecar.state(),
            spiffe_id: sidecar.spiffe_id(),
            echo: echo.as_ref().map(EchoHandle::counter).map_err(Clone::clone),
        }
    }

    /// The way in first: what is under way at the application may still end well.
    async fn stop(self) {
        let Self { echo_spec: _, echo, sidecar_spec: _, sidecar, readiness } = self;
        drop(readiness);
        sidecar.stop().await;
        if let Ok(echo) = echo {
            echo.stop().await;
        }
    }
}
