#!/bin/bash
# A BIDS dataset on SLURM, one job per participant, each in a container without a network:
#   sbatch --array=1-"$(ls -d /data/bids/sub-* | wc -l)" containers/slurm_array.sh /data/bids /data/ages
#   regional-brain-age /data/bids /data/ages group          # when all are done
#SBATCH --job-name=brainage
#SBATCH --cpus-per-task=2
#SBATCH --mem=6G
#SBATCH --time=01:00:00
#SBATCH --output=brainage-%A_%a.log
set -euo pipefail

bids=$1
out=$2
image=${IMAGE:-regional-brain-age.sif}
mapfile -t subjects < <(find "$bids" -maxdepth 1 -type d -name 'sub-*' -printf '%f\n' | sort)
label=${subjects[$((SLURM_ARRAY_TASK_ID - 1))]#sub-}

mkdir -p "$out"
apptainer run --containall --net --network none --bind "$bids":/data:ro --bind "$out":/out "$image" \
    /data /out participant --participant-label "$label" --n-cpus 1 --threads "${SLURM_CPUS_PER_TASK:-2}"
