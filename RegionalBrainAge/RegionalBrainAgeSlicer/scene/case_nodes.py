"""The nodes of a case: how they are named, found again, and grouped, so that two cases live in one scene."""

from __future__ import annotations

import slicer

CASE_ATTRIBUTE = "RegionalBrainAge.Case"
ROLE_ATTRIBUTE = "RegionalBrainAge.Role"
LESION_ROLE = "lesion under review"
# Under this name the cohort's panel shows the template; no patient's head.
TEMPLATE_CASE = "template"


def find(case_id: str, role: str):
    """The case's node with that role, or None."""
    for node in nodes_of(case_id):
        if node.GetAttribute(ROLE_ATTRIBUTE) == role:
            return node
    return None


def nodes_of(case_id: str) -> list:
    """All nodes of a case."""
    return [node for node in slicer.util.getNodesByClass("vtkMRMLNode") if node.GetAttribute(CASE_ATTRIBUTE) == case_id]


def case_ids() -> list[str]:
    """Cases in the scene, in the order they were opened: those with a table of regions."""
    tables = slicer.util.getNodesByClass("vtkMRMLTableNode")
    names = (node.GetAttribute(CASE_ATTRIBUTE) for node in tables if node.GetAttribute(ROLE_ATTRIBUTE) == "table")
    return list(dict.fromkeys(name for name in names if name))


def shown_ids() -> list[str]:
    """Everything that is displayed under a case's name: cases, and the template with a map of coefficients."""
    names = (node.GetAttribute(CASE_ATTRIBUTE) for node in slicer.util.getNodesByClass("vtkMRMLDisplayableNode"))
    return list(dict.fromkeys(name for name in names if name))


def find_or_add(case_id: str, role: str, class_name: str, name: str):
    """The case's node with that role, made if there is none. The same case shown twice uses the same nodes."""
    node = find(case_id, role)
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass(class_name, name)
        adopt(node, case_id, role)
    return node


def adopt(node, case_id: str, role: str) -> None:
    """Make an existing node one of the case's, and file it in the case's subject hierarchy folder."""
    node.SetAttribute(CASE_ATTRIBUTE, case_id)
    node.SetAttribute(ROLE_ATTRIBUTE, role)
    file_under(node, case_id)


def file_under(node, case_id: str) -> None:
    """Put a node into the case's subject hierarchy folder, which is made if there is none."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    folder_name = f"sub-{case_id}"
    folder = hierarchy.GetItemChildWithName(hierarchy.GetSceneItemID(), folder_name)
    if not folder:
        folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), folder_name)
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, folder)


def attach(head, role: str, node) -> None:
    """Keep a node with a head, whatever its case is called: what was measured on one head is never used for another."""
    old = attached(head, role)
    if old is not None:
        remove_with_parts(old)
    node.SetAttribute(ROLE_ATTRIBUTE, role)
    head.SetNodeReferenceID(f"RegionalBrainAge.{role}", node.GetID())


def attached(head, role: str):
    """The node kept with a head under that role, or None."""
    return head.GetNodeReference(f"RegionalBrainAge.{role}")


def is_made(node) -> bool:
    """Whether the node is one that this extension made, and not a head that was opened."""
    return (node.GetAttribute(ROLE_ATTRIBUTE) or "t1") != "t1" or node.GetAttribute(CASE_ATTRIBUTE) == TEMPLATE_CASE


def is_lesion(segmentation) -> bool:
    """Whether the node is a lesion under review."""
    return segmentation.GetAttribute(ROLE_ATTRIBUTE) == LESION_ROLE


def remove(case_id: str, role: str) -> None:
    """Remove the case's node with that role, if there is one."""
    node = find(case_id, role)
    if node is not None:
        remove_with_parts(node)


def remove_with_parts(node) -> None:
    """Remove a node with its display and storage nodes, which some scenes keep and others remove by themselves."""
    parts = [node.GetNthDisplayNode(i) for i in range(node.GetNumberOfDisplayNodes())]
    parts += [node.GetNthStorageNode(i) for i in range(node.GetNumberOfStorageNodes())]
    for one in (node, *parts):
        # Removing a node that is in no scene writes an error into the application's log.
        if one is not None and one.GetScene() is not None:
            slicer.mrmlScene.RemoveNode(one)
