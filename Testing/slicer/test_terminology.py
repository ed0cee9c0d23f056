"""The shipped terminology, read by Slicer's own logic."""

from __future__ import annotations

import slicer
import vtk


def test_slicers_own_logic_reads_the_terminology_and_knows_the_lesions_entry(host):
    module, _widget = host.open_module("RegionalBrainAge")
    from RegionalBrainAgeSlicer.scene.lesion_segment import LESION_TERMINOLOGY

    module.register_terminology()
    logic = slicer.modules.terminologies.logic()
    terminologies, regions = vtk.vtkStringArray(), vtk.vtkStringArray()
    logic.GetLoadedTerminologyNames(terminologies)
    logic.GetLoadedRegionContextNames(regions)
    assert "RegionalBrainAge lesions" in [terminologies.GetValue(i) for i in range(terminologies.GetNumberOfValues())]
    assert "RegionalBrainAge brain" in [regions.GetValue(i) for i in range(regions.GetNumberOfValues())]
    entry = slicer.vtkSlicerTerminologyEntry()
    assert logic.DeserializeTerminologyEntry(LESION_TERMINOLOGY, entry)
    assert entry.GetTypeObject().GetCodeMeaning() == "Infarct"
    assert entry.GetRegionObject().GetCodeMeaning() == "Brain"
    host.close_module("RegionalBrainAge")
