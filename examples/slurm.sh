#!/usr/bin/env bash
# One job for `ambivox run` on one GPU. Submit it in the project's folder, with the options of the run:
#   sbatch slurm.sh --corpus iemocap --root /data/IEMOCAP_full_release --alm qwen2_audio
# A run that reaches the time limit is ended cleanly, and the job puts itself back into the queue: answers that are
# stored are not asked again, and finished stages are not run again.
#SBATCH --job-name=ambivox
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --mem=64G
#SBATCH --time=12:00:00
#SBATCH --signal=B:TERM@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=ambivox-%j.log
set -euo pipefail

# Compute nodes seldom reach the internet: fetch the weights on the login node, with the same HF_HOME.
export HF_HUB_OFFLINE=1 DO_NOT_TRACK=1
command=(ambivox run "$@")
# An image in place of an installation: AMBIVOX_IMAGE=/path/ambivox.sif, and AMBIVOX_BIND=/data for what it has to see.
if [ -n "${AMBIVOX_IMAGE:-}" ]; then
    command=(apptainer exec --nv --bind "${AMBIVOX_BIND:-$PWD}" --pwd "$PWD" "$AMBIVOX_IMAGE" "${command[@]}")
fi

srun "${command[@]}" &
run=$!
ended_by_limit=
trap 'ended_by_limit=yes; kill -TERM "$run"' TERM
code=0
wait "$run" || code=$?
if [ -n "$ended_by_limit" ]; then
    # The signal ended the first wait; the run still needs some seconds to stop its stages.
    code=0
    wait "$run" || code=$?
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
