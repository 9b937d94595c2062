"""Which nodes' leases are renewed, and how."""

import leases


def test_only_simulated_nodes():
    nodes = {"items": [
        {"metadata": {"name": "gpu-1", "annotations": {"kwok.x-k8s.io/node": "fake"}}},
        {"metadata": {"name": "real-1", "annotations": {"other": "x"}}},
        {"metadata": {"name": "real-2"}}]}
    assert leases.simulated(nodes) == ["gpu-1"]


def test_a_lease_is_renewed_or_made():
    path, body = leases.lease("gpu-1", 1.0)
    assert path == ("apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/gpu-1"
                    "?fieldManager=triptych-scaling&force=true")
    assert body["metadata"] == {"name": "gpu-1", "namespace": "kube-node-lease"}
    assert body["spec"] == {"renewTime": "1970-01-01T00:00:01.000000Z"}
